import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { openPartitionConsumer } from './consumer.ts'
import { silentLog } from './kafka-log.ts'
import { clientId, config, freshName, freshTopic, writeNumbers } from './kafka.fixture.ts'

test('a chunk that takes longer than a session does not cost the membership', async () => {
  const topic = await freshTopic()
  await writeNumbers(topic, 0, 8)
  const processed: number[] = []
  let attachments = 0
  await using consumer = await openPartitionConsumer(config, {
    topic,
    groupId: freshName('group'),
    clientId,
    log: silentLog,
    attach: async ({ logStart }) => {
      attachments += 1
      return { kind: 'from', offset: logStart }
    },
    process: async ({ partition, records }) => {
      // The time is what is tested here: a session ends after 10 s without a heartbeat.
      if (partition === 0) await sleep(12_000)
      processed.push(...records.map(({ value }) => Number(value)))
      return { kind: 'done' }
    },
  })
  await vi.waitFor(() => expect(processed).toHaveLength(8), { timeout: 30_000 })
  await writeNumbers(topic, 9, 10)
  await vi.waitFor(() => expect(processed).toHaveLength(9), { timeout: 10_000 })
  expect(processed.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9])
  expect(attachments).toBe(config.partitions)
  expect(consumer.state().ok).toBe(true)
})
