import { expect, test } from 'vitest'
import { createTurns } from './turns.ts'

function createScene(countWaiting: () => Promise<number>) {
  const scene = { nowMs: 0, looks: 0 }
  const turn = createTurns({
    async countWaiting() {
      scene.looks += 1
      return countWaiting()
    },
    async pause(ms) {
      scene.nowMs += ms
    },
    nowMs: () => scene.nowMs,
  })
  return { scene, turn }
}

test('chunks come three at a time, in the order in which they asked', async () => {
  const { turn } = createScene(async () => 0)
  const order: string[] = []
  const run = async (name: string) => {
    const end = await turn()
    order.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    order.push(`${name} ends`)
    end()
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(run))
  expect(order.slice(0, 3)).toEqual(['a begins', 'b begins', 'c begins'])
  expect(order.indexOf('d begins')).toBeGreaterThan(order.indexOf('a ends'))
})

test('a chunk waits until no more than 1,000 jobs do', async () => {
  let waiting = 1_500
  const { scene, turn } = createScene(async () => (waiting -= 250))
  await turn()
  expect([scene.nowMs, waiting]).toEqual([100, 1_000])
})

test('where nobody works on the queue a chunk is held back for a second, and the next one for another', async () => {
  const { scene, turn } = createScene(async () => 1_001)
  for (const endMs of [1_000, 2_000]) {
    const end = await turn()
    expect(scene.nowMs).toBe(endMs)
    end()
  }
})

test('the queue is looked at ten times a second at most, and one that does not answer holds nobody back', async () => {
  const { scene, turn } = createScene(() => Promise.reject(new Error('away')))
  for (let round = 0; round < 100; round++) {
    const end = await turn()
    scene.nowMs += 10
    end()
  }
  expect([scene.nowMs, scene.looks]).toEqual([1_000, 10])
})
