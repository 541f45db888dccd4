import { expect, test } from 'vitest'
import { type Measured, measureDeliveries, memoryHalves } from './measurement.ts'

/** A worker that has used 100 µs of CPU for each alert by the time it is asked, and holds a MiB for each. */
function workerThatDelivers(steps: readonly number[]): Measured {
  let step = 0
  let delivered = 0
  return {
    worker: { usage: async () => ({ cpuMs: delivered * 0.1, rssMiB: delivered }) },
    sink: { usage: async () => ({ cpuMs: delivered * 0.02, rssMiB: 1 }) },
    pids: { redis: [], broker: [] },
    async delivered() {
      delivered = steps[Math.min(step, steps.length - 1)] ?? 0
      step += 1
      return delivered
    },
  }
}

test('what is delivered before the warm-up is over does not count', async () => {
  const source = workerThatDelivers([0, 90, 110, 500, 1_000])
  const measurement = await measureDeliveries(source, { warmUp: 100, total: 1_000 })
  expect(measurement.deliveries).toBe(890)
  expect(measurement.cpuMicros).toBeCloseTo(100)
  expect(measurement.sinkMicros).toBeCloseTo(20)
  expect(measurement.deliveriesPerSecond).toBeCloseTo(890 / measurement.seconds)
  expect(measurement.wholePerSecond).toBeLessThan(1_000 / measurement.seconds)
  expect(measurement.redisMicros).toBeNull()
})

test('memory is the most that was seen in each tenth of what is measured', async () => {
  const source = workerThatDelivers([100, 120, 180, 230, 900, 1_100])
  const measurement = await measureDeliveries(source, { warmUp: 100, total: 1_100 })
  const unseen = Array.from({ length: 6 }, () => Number.NaN)
  expect(measurement.rssMiBOfTenths).toEqual([180, 230, ...unseen, 900, 1_100])
  expect(memoryHalves(measurement)).toEqual({ firstMiB: 230, secondMiB: 1_100 })
})

test('a process that ends is an error, not a backlog that takes long', async () => {
  const source = workerThatDelivers([0])
  const ended = { usage: () => Promise.reject(new Error('has ended')) }
  await expect(measureDeliveries({ ...source, worker: ended }, { warmUp: 0, total: 1 })).rejects.toThrow(
    'has ended',
  )
})
