import { expect, test } from 'vitest'
import { createLanes } from './lanes.ts'

function openLanes({ perMinute = 60, random = 1 } = {}) {
  let nowMs = 1_000_000
  const lanes = createLanes({ perMinute, now: () => nowMs, random: () => random })
  const takeAll = (clientId: string) => {
    let taken = 0
    while (lanes.take(clientId)) taken += 1
    return taken
  }
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { ...lanes, takeAll, pass }
}

test('a client gets a burst, and then no more than its rate', () => {
  const lanes = openLanes()
  expect(lanes.takeAll('C1')).toBe(6)
  lanes.pass(3_000)
  expect(lanes.takeAll('C1')).toBe(3)
  lanes.pass(999)
  expect(lanes.takeAll('C1')).toBe(0)
  lanes.pass(1)
  expect(lanes.takeAll('C1')).toBe(1)
})

test('however long nothing was asked, the burst stays one', () => {
  const lanes = openLanes()
  lanes.pass(3_600_000)
  expect(lanes.takeAll('C1')).toBe(6)
})

test('a rate below ten a minute still lets one through', () => {
  const lanes = openLanes({ perMinute: 1 })
  expect(lanes.takeAll('C1')).toBe(1)
  lanes.pass(59_999)
  expect(lanes.takeAll('C1')).toBe(0)
  lanes.pass(1)
  expect(lanes.takeAll('C1')).toBe(1)
})

test('whether there is leave can be asked without taking it', () => {
  const lanes = openLanes({ perMinute: 20 })
  for (let turn = 0; turn < 5; turn++) expect(lanes.isFree('C1')).toBe(true)
  expect(lanes.takeAll('C1')).toBe(2)
  expect(lanes.isFree('C1')).toBe(false)
  lanes.pass(3_000)
  expect(lanes.isFree('C1')).toBe(true)
  lanes.take('C1')
  lanes.settle('C1', 'trouble')
  lanes.pass(999)
  expect(lanes.isFree('C1')).toBe(false)
  lanes.pass(3_000)
  expect(lanes.isFree('C1')).toBe(true)
  lanes.take('C1')
  lanes.pass(3_000)
  expect(lanes.isFree('C1')).toBe(false)
})

test('one client takes nothing from another', () => {
  const lanes = openLanes()
  lanes.takeAll('C1')
  lanes.settle('C1', 'trouble')
  expect(lanes.takeAll('C2')).toBe(6)
})

test('after trouble the pause doubles up to five minutes, and one goes first', () => {
  const lanes = openLanes()
  const pauses: number[] = []
  lanes.take('C1')
  for (let failures = 1; failures <= 11; failures++) {
    lanes.settle('C1', 'trouble')
    let waitedMs = 0
    while (!lanes.take('C1')) {
      lanes.pass(1_000)
      waitedMs += 1_000
    }
    pauses.push(waitedMs / 1_000)
    expect(lanes.take('C1')).toBe(false)
  }
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
  lanes.settle('C1', 'well')
  expect(lanes.takeAll('C1')).toBeGreaterThan(1)
})

test('a first one that came to nothing lets the next one go first', () => {
  const lanes = openLanes()
  lanes.take('C1')
  lanes.settle('C1', 'trouble')
  lanes.pass(1_000)
  expect(lanes.take('C1')).toBe(true)
  lanes.settle('C1', 'unasked')
  expect(lanes.takeAll('C1')).toBe(1)
})

test('the pause is shortened by jitter, at most to its half', () => {
  const lanes = openLanes({ random: 0 })
  lanes.take('C1')
  lanes.settle('C1', 'trouble')
  lanes.pass(499)
  expect(lanes.take('C1')).toBe(false)
  lanes.pass(1)
  expect(lanes.take('C1')).toBe(true)
})
