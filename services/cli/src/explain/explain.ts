import { merchantKey } from '@signalbox/contracts/keys'
import { topics } from '@signalbox/contracts/topics'
import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { partitionOf } from '@signalbox/kafka/partition'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { createVerb } from '@signalbox/runtime/command-line'
import { type Environment, parseEnvironment } from '@signalbox/runtime/config'
import { z } from 'zod'
import { clientOf, clientOption } from '../client-option.ts'
import { silent } from '../silent.ts'
import { openProgress } from '../verify/progress.ts'
import { setAsideLines, storyLines } from './story-lines.ts'
import { type StoryRecord, tellStories } from './story.ts'

const options = z.object({
  merchant: z.string().min(1).meta({
    positional: true,
    value: 'MERCHANT',
    description: 'referenceMerchantId, as it stands in the notifications',
  }),
  store: z.string().min(1).optional().meta({
    positional: true,
    value: 'STORE',
    description: 'referenceStoreId; without it all registrations of the merchant',
  }),
  client: clientOption,
})

export const createExplainVerb = (env: Environment) =>
  createVerb({
    name: 'explain',
    about: 'Tells the history of a registration: each record about it, what it did to the state, and why.',
    more: [
      `Reads the merchant's partition of ${topics.raw.name} from the Kafka that KAFKA_BROKERS, KAFKA_TLS and the variables`,
      'KAFKA_SASL_… name; TOPIC_PARTITIONS must be what the topics have. Folds what it reads as the processor does.',
      'Exit code 0 when there is something to tell, 1 otherwise.',
    ].join('\n'),
    options,
    async run({ merchant, store, client }) {
      const kafka = kafkaConfig(parseEnvironment('signalbox explain', z.object(kafkaEnv), env))
      const key = merchantKey({ clientId: clientOf(client, env), referenceMerchantId: merchant })
      const partition = partitionOf(key, kafka.partitions)
      await using reader = await openPartitionReader(kafka, { clientId: 'signalbox-explain', log: silent })
      const { start, end } = await reader.bounds({ topic: topics.raw.name, partition })
      using progress = openProgress(`${topics.raw.name}, partition ${partition}`)
      const records: StoryRecord[] = []
      let visited = 0
      for await (const some of reader.read({ topic: topics.raw.name, partition, from: start, to: end })) {
        visited += some.length
        progress.update(visited, Number(end - start))
        records.push(...some.filter((record) => record.key === key).map(copyOf))
      }

      const told = tellStories(records)
      const stories = told.stories.filter((story) => store === undefined || story.referenceStoreId === store)
      const lines = [
        ...stories.flatMap((story) =>
          storyLines(story, { merchant, place: `${topics.raw.name}, partition ${partition}` }),
        ),
        ...setAsideLines(told.setAside),
        ...(start > 0n && records.length > 0
          ? [
              `The log begins at offset ${start}: what came before is not told, and versions are counted from there.`,
            ]
          : []),
      ]
      if (lines.length === 0) {
        progress.print(
          `Nothing about ${merchant}${store === undefined ? '' : ` with store ${store}`} stands in partition ${partition} of ` +
            `${topics.raw.name} (${visited} records looked at). Ids are compared character for character; --client says whose.`,
        )
        return 1
      }
      for (const line of lines) progress.print(line)
      return 0
    },
  })

/** A record as read is a window into all that was fetched with it. */
function copyOf({ offset, key, value, headers, timestampMs }: StoryRecord): StoryRecord {
  return {
    offset,
    key,
    value: value === null ? null : Buffer.from(value),
    headers: new Map([...headers].map(([name, content]) => [name, Buffer.from(content)])),
    timestampMs,
  }
}
