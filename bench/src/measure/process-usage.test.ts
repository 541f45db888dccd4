import { expect, test } from 'vitest'
import { cpuMsOfClock, readUsage } from './process-usage.ts'

test('CPU time counts what this process burns, and its memory is that of a Node process', async () => {
  const before = await readUsage(process.pid)
  const burnt = process.cpuUsage()
  while (process.cpuUsage(burnt).user < 200_000) crypto.randomUUID()
  const after = await readUsage(process.pid)
  expect(after.cpuMs - before.cpuMs).toBeGreaterThanOrEqual(150)
  expect(after.rssMiB).toBeGreaterThan(20)
})

test('the usage of a process that is gone is an error, not zero', async () => {
  await expect(readUsage(2 ** 30)).rejects.toThrow(/./)
})

test.each([
  ['0:00.05', 50],
  ['02:03', 123_000],
  ['01:02:03', 3_723_000],
  ['2-01:00:00', 176_400_000],
])('ps shows %s for %d ms', (clock, ms) => {
  expect(cpuMsOfClock(clock)).toBe(ms)
})
