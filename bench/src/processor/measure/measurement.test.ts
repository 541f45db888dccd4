import { expect, test } from 'vitest'
import type { MeasuredProcess } from '../../measure/measured-process.ts'
import { measureBacklog } from './measurement.ts'

/** A worker that has used `msPerRecord` of CPU for each record by the time it is asked. */
function workerThatSettles(steps: readonly number[], { msPerRecord }: { msPerRecord: number }) {
  let step = 0
  let settled = 0
  const worker: MeasuredProcess = {
    ready: { msg: 'ready' },
    usage: async () => ({ cpuMs: settled * msPerRecord, rssMiB: 1 }),
    async [Symbol.asyncDispose]() {},
  }
  const count = async () => {
    settled = steps[Math.min(step, steps.length - 1)] ?? 0
    step += 1
    return settled
  }
  return { worker, settled: count, pids: { redis: [], broker: [] } }
}

test('what is settled before the warm-up is over does not count', async () => {
  const source = workerThatSettles([0, 90, 110, 500, 1_000], { msPerRecord: 0.1 })
  const measurement = await measureBacklog({ ...source, warmUp: 100, total: 1_000 })
  expect(measurement.records).toBe(890)
  expect(measurement.cpuMicros).toBeCloseTo(100)
  expect(measurement.recordsPerSecond).toBeCloseTo(890 / measurement.seconds)
  expect(measurement.redisMicros).toBeNull()
})

test('a process that ends is an error, not a backlog that takes long', async () => {
  const source = workerThatSettles([0], { msPerRecord: 1 })
  const ended = { ...source.worker, usage: () => Promise.reject(new Error('has ended')) }
  await expect(measureBacklog({ ...source, worker: ended, warmUp: 0, total: 1 })).rejects.toThrow('has ended')
})
