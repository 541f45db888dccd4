import { openSupervisor } from '@signalbox/embedded/supervisor'
import { expect, onTestFinished, test } from 'vitest'
import { startSink } from './sink.ts'

async function openSink() {
  const supervisor = await openSupervisor({ keptFolder: null, name: 'sink-test' })
  onTestFinished(() => supervisor[Symbol.asyncDispose]())
  const sink = await startSink({ supervisor })
  const post = async (path: string, id: string) => {
    const answer = await fetch(`${sink.url}/${path}`, {
      method: 'POST',
      headers: { 'webhook-id': id },
      body: '{}',
    })
    return answer.status
  }
  return { sink, post }
}

test('an alert that comes twice is two calls, and counts with its first arrival', async () => {
  const { sink, post } = await openSink()
  const before = performance.timeOrigin + performance.now()
  expect(await post('ours/m-0', 'a-1')).toBe(204)
  const between = await sink.arrivals('ours')
  expect(
    await Promise.all([post('ours/m-1', 'a-2'), post('ours/m-0', 'a-1'), post('other/x', 'a-1')]),
  ).toEqual([204, 204, 204])
  expect(await sink.count('ours')).toEqual({ calls: 3, alerts: 2 })
  const arrivals = await sink.arrivals('ours')
  expect([...arrivals.keys()].toSorted()).toEqual(['a-1', 'a-2'])
  expect(arrivals.get('a-1')).toBe(between.get('a-1'))
  // Clocks of two processes are some fractions of a millisecond apart.
  expect(arrivals.get('a-1')).toBeGreaterThan(before - 5)
  await sink.clear()
  expect(await sink.count('ours')).toEqual({ calls: 0, alerts: 0 })
})

test('a call that hangs is counted, and answered when it is released', async () => {
  const { sink, post } = await openSink()
  let answered: number | null = null
  const hanging = post('hanging/x', 'a-1').then((status) => (answered = status))
  await expect.poll(() => sink.count('hanging')).toEqual({ calls: 1, alerts: 1 })
  expect(await post('ours/m-0', 'a-2')).toBe(204)
  expect(answered).toBeNull()
  await sink.release()
  expect(await hanging).toBe(204)
  expect(await post('hanging/x', 'a-3')).toBe(204)
})
