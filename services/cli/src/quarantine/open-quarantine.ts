import { topics } from '@signalbox/contracts/topics'
import { type KafkaConfig, kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import { ensureTopics } from '@signalbox/kafka/topics'
import type { QuarantineTopics } from '@signalbox/quarantine/quarantine'
import { type Environment, parseEnvironment } from '@signalbox/runtime/config'
import { z } from 'zod'
import { silent } from '../silent.ts'

/** Where the verbs read: for the end of their help. */
export const kafkaHelp =
  'The Kafka is the one that KAFKA_BROKERS, KAFKA_TLS and the variables KAFKA_SASL_… name; TOPIC_PARTITIONS must be what ' +
  'the topics have.'

export type OpenQuarantine = AsyncDisposable & QuarantineTopics & { kafka: KafkaConfig; log: PartitionReader }

/**
 * Opens the quarantine of the deployment that the environment names.
 *
 * @throws StartProblem, KafkaUnreachable; an Error when the topics are not there or have other partitions: a record put
 * back into the wrong one would be folded apart from its registration
 */
export async function openQuarantine(env: Environment, verb: string): Promise<OpenQuarantine> {
  const kafka = kafkaConfig(parseEnvironment(`signalbox ${verb}`, z.object(kafkaEnv), env))
  await ensureTopics({ ...kafka, createTopics: false }, [topics.raw, topics.quarantine], { log: silent })
  const log = await openPartitionReader(kafka, { clientId: 'signalbox-quarantine', log: silent })
  return {
    kafka,
    log,
    partitions: kafka.partitions,
    topics: { raw: topics.raw.name, quarantine: topics.quarantine.name },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}
