import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import type { KafkaConfig } from './config.ts'
import { silentLog } from './kafka-log.ts'
import { type LogRecord, openProducer } from './producer.ts'
import { ensureTopics, type TopicSpec } from './topics.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
  }
}

export const config: KafkaConfig = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions: 4,
  replication: 1,
  createTopics: true,
}

export const clientId = 'kafka-test'
export const freshName = (kind: string) => `test.${kind}.${randomUUID()}`

export async function freshTopic(spec: Partial<TopicSpec> = {}): Promise<string> {
  const name = freshName('topic')
  await ensureTopics(config, [{ name, cleanup: 'delete', ...spec }], { log: silentLog })
  return name
}

/** Writes numbered records, the n-th into partition n mod 4, so that each partition holds a rising row. */
export async function writeNumbers(topic: string, from: number, to: number): Promise<void> {
  await using producer = await openProducer(config, { clientId, log: silentLog })
  const records = Array.from({ length: to - from }, (_, index) => numbered(topic, from + index))
  await producer.publish(records, { deadlineMs: 30_000 })
}

export const numbered = (topic: string, number: number): LogRecord => ({
  topic,
  partition: number % config.partitions,
  key: `key-${number}`,
  value: String(number),
})
