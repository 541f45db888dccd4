import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { describe, expect, test } from 'vitest'
import { cacheFolderOf } from '../cache-folder.ts'
import { findEmbedded } from '../find-embedded.ts'
import { openEmbeddedKafka } from './embedded-kafka.ts'

// What a reader of partitions does when brokers end or freeze, which a Kafka that is shared by tests cannot show.

const embedded = await findEmbedded({ cacheFolder: cacheFolderOf() })
const log = { debug() {}, info() {}, warn() {}, error() {} }
const clientId = 'partition-reader-test'
const topic = 'partition-reader-test'
const deadlineMs = 20_000
const partitions = [0, 1, 2]

const configOf = (brokers: string[]): KafkaConfig => ({
  brokers,
  tls: false,
  partitions: partitions.length,
  replication: brokers.length,
  createTopics: true,
})

async function write(config: KafkaConfig, records: number, bytes: number): Promise<void> {
  await ensureTopics(config, [{ name: topic, cleanup: 'delete' }], { log })
  await using producer = await openProducer(config, { clientId, log })
  const value = Buffer.alloc(bytes)
  for (const partition of partitions) {
    const row = Array.from({ length: records }, () => ({ topic, partition, key: 'key', value }))
    await producer.publish(row, { deadlineMs })
  }
}

async function offsetsOf(
  reader: PartitionReader,
  partition: number,
  meanwhile: () => Promise<void> = async () => {},
): Promise<number[]> {
  const offsets: number[] = []
  for await (const records of reader.read({ topic, partition, from: 0n, to: 1_000_000n })) {
    offsets.push(...records.map(({ offset }) => Number(offset)))
    await meanwhile()
  }
  return offsets
}

describe.skipIf(!embedded.usable)('a reader of partitions', () => {
  test('tells within its deadline that a frozen broker does not answer, and reads on when it does', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 1 })
    const [node] = kafka.nodes
    const config = configOf(kafka.brokers)
    await write(config, 20, 10)
    await using reader = await openPartitionReader(config, { clientId, log })
    expect(await offsetsOf(reader, 0)).toHaveLength(20)
    await node?.pause()
    const since = performance.now()
    const answers = await Promise.allSettled([
      offsetsOf(reader, 0),
      offsetsOf(reader, 1),
      reader.bounds({ topic, partition: 2 }),
      reader.offsetAt({ topic, partition: 2, timeMs: 0 }),
    ])
    expect(performance.now() - since).toBeLessThan(11_000)
    const problems = answers.map((answer) => (answer.status === 'rejected' ? String(answer.reason) : 'none'))
    expect(problems.map((problem) => problem.split(' cannot be read: ')[0])).toEqual([
      `Error: Partition 0 of ${topic}`,
      `Error: Partition 1 of ${topic}`,
      `Error: Partition 2 of ${topic}`,
      `Error: Partition 2 of ${topic}`,
    ])
    await node?.resume()
    expect(await offsetsOf(reader, 0)).toHaveLength(20)
  })

  test('reads every record while brokers are killed and leaders move', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 3 })
    const config = configOf(kafka.brokers)
    // More than is fetched ahead, so that each partition is still asked for after the kill.
    await write(config, 200, 100_000)
    const all = Array.from({ length: 200 }, (_, offset) => offset)
    await using reader = await openPartitionReader(config, { clientId, log })
    for (const victim of kafka.nodes) {
      let killed: Promise<void> | undefined
      const rows = await Promise.all(
        partitions.map((partition) =>
          offsetsOf(reader, partition, async () => {
            killed ??= victim.kill()
            await killed
          }),
        ),
      )
      expect(rows).toEqual([all, all, all])
      await victim.start()
      await expect
        .poll(async () => (await reader.bounds({ topic, partition: 0 })).end, { timeout: deadlineMs })
        .toBe(200n)
    }
  })

  test('reads the partitions of the others while a broker is frozen, and its own when another leads them', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 3 })
    const config = configOf(kafka.brokers)
    await write(config, 20, 10)
    // The first broker asked is the frozen one.
    const [frozen] = kafka.nodes
    await using reader = await openPartitionReader(config, { clientId, log })
    await Promise.all(partitions.map((partition) => reader.bounds({ topic, partition })))
    await frozen?.pause()
    const answers = await Promise.allSettled(partitions.map((partition) => offsetsOf(reader, partition)))
    const readable = answers.filter(({ status }) => status === 'fulfilled')
    expect(readable.length).toBeGreaterThanOrEqual(2)
    for (const partition of partitions) {
      await expect
        .poll(() => offsetsOf(reader, partition).catch(() => []), { timeout: 40_000 })
        .toHaveLength(20)
    }
    await using late = await openPartitionReader(config, { clientId, log })
    expect(await offsetsOf(late, 0)).toHaveLength(20)
  })
})
