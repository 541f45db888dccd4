import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { alertOf, createDeliveryScene, startMs, status, url } from './delivery-scene.fixture.ts'

const hourMs = 60 * 60 * 1_000
const afterHours = (hours: number) => void vi.advanceTimersByTime(hours * hourMs)

beforeEach(() => {
  vi.useFakeTimers({ now: startMs })
})
afterEach(() => {
  vi.useRealTimers()
})

test('an endpoint’s whole life stands in its audit trail, and its alerts end as it goes', async () => {
  let answer = status(204)
  const scene = createDeliveryScene({ answer: () => answer })
  let version = 0
  const deliver = () => scene.run(alertOf(++version))

  expect(await deliver()).toMatchObject({ kind: 'held' })
  afterHours(1)
  scene.change({ kind: 'verify', address: url })
  expect(await deliver()).toMatchObject({ kind: 'settled', outcome: { kind: 'delivered' } })

  // It fails for as long as its budget, an alert every six hours.
  answer = status(503)
  for (let hours = 0; hours <= 120; hours += 6) {
    afterHours(6)
    expect(await deliver()).toMatchObject({ kind: 'again' })
  }
  expect(scene.endpoint()).toMatchObject({ state: 'disabled', reason: 'failing' })

  // One probe an hour, and no more.
  const callsBefore = scene.sent.length
  await deliver()
  const held = await deliver()
  expect(held).toMatchObject({ kind: 'crowded' })
  afterHours(1)
  await deliver()
  expect(scene.sent.length - callsBefore).toBe(2)

  afterHours(1)
  answer = status(200)
  expect(await deliver()).toMatchObject({ outcome: { kind: 'delivered' } })
  expect(scene.endpoint()).toMatchObject({ state: 'active', reason: null })
  expect(scene.health()).toMatchObject({ failures: 0, failingSinceMs: null })

  afterHours(10)
  answer = status(410)
  expect(await deliver()).toMatchObject({ outcome: { kind: 'given_up', reason: 'refused' } })
  expect(await deliver()).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_disabled' } })
  afterHours(1)
  scene.change({ kind: 'delete' })
  expect(await deliver()).toMatchObject({ outcome: { kind: 'given_up', reason: 'endpoint_gone' } })

  const trail = scene.endpoint()?.history.map(({ at, by, action, detail }) => {
    const hours = Math.floor((Date.parse(at) - startMs) / hourMs)
    return [`${hours} h`, by, action, detail ?? ''].join(' ').trim()
  })
  expect(trail?.join('\n')).toBe(
    [
      '0 h operator created',
      '1 h operator verified',
      '67 h alerts warned 50',
      '97 h alerts warned 75',
      '115 h alerts warned 90',
      '127 h alerts disabled failing',
      '129 h alerts recovered',
      '139 h alerts disabled gone',
      '140 h operator deleted',
    ].join('\n'),
  )
})

test('a warning that could not be written down is given with the next failure', async () => {
  const scene = createDeliveryScene({ answer: () => status(503) })
  scene.change({ kind: 'verify', address: url })
  const fail = (version: number) => scene.run(alertOf(version))
  for (let version = 1; version <= 11; version += 1) await fail(version)
  vi.advanceTimersByTime(61 * hourMs)
  scene.breaking.push('change')
  await fail(12)
  const warned = () => scene.endpoint()?.history.filter(({ action }) => action === 'warned').length
  expect(warned()).toBe(0)
  await fail(13)
  await fail(14)
  expect(warned()).toBe(1)
})
