import { expect, onTestFinished, test } from 'vitest'
import { formatSeen } from './endpoints-seen.ts'
import { openEndpointFollower } from './follow-endpoints.ts'

const where = { clusterId: 'cluster', topic: 'endpoints', partition: 0, isWhole: true }

test('a process that reads on meanwhile makes the log no shorter than what was read', async () => {
  let next = 1n
  const follower = openEndpointFollower({
    reader: {
      async *read() {},
      /** Tells the end, and then another process writes on and reads it. */
      async bounds() {
        const end = next
        next += 3n
        return { start: 0n, end }
      },
    },
    view: {
      watermark: async () => formatSeen({ ...where, next }),
      apply: async () => true,
      clear: () => Promise.reject(new Error('nothing is to be cleared')),
    },
    topic: where.topic,
    partitions: 1,
    clusterId: where.clusterId,
    log: { info() {}, warn() {}, error() {} },
  })
  onTestFinished(() => follower[Symbol.asyncDispose]())
  await expect(follower.caughtUp(0)).resolves.toBeUndefined()
})
