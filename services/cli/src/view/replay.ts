import { topics } from '@signalbox/contracts/topics'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import { formatWatermark, parseWatermark, type Watermark } from '@signalbox/registration-store/watermark'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { silent } from '../silent.ts'
import { openView, partitionOption, partitionsOf, viewConfig } from './open-view.ts'

const options = z.object({
  from: z
    .union([z.literal('start'), z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))])
    .meta({
      value: 'TIME',
      description: 'when the first record to fold again was received, RFC 3339; or: start',
    }),
  partition: partitionOption,
  dryRun: z
    .boolean()
    .default(false)
    .meta({ description: 'only tells how many records would be folded again' }),
})

export const createReplayVerb = (env: Environment) =>
  createVerb({
    name: 'replay',
    about: 'Has the processors fold the raw topic again from a time on. Never alerts anybody again.',
    more: [
      'Sets the watermark of the view back; the processor that owns the partition notices it with its next chunk. Folding is',
      'idempotent: what is known already changes nothing, is published under no new version, and counts as redelivered.',
      'For records that quarantine holds there is signalbox quarantine redrive.',
      'Reads KAFKA_BROKERS, TOPIC_PARTITIONS, REDIS_URL and REDIS_KEY_PREFIX like the services.',
      'Exit code 0 when every partition was set back, 1 otherwise.',
    ].join('\n'),
    options,
    async run({ from, partition, dryRun }) {
      const config = viewConfig('signalbox replay', env)
      await using store = await openView(config)
      await using reader = await openPartitionReader(config.kafka, {
        clientId: 'signalbox-replay',
        log: silent,
      })
      let failed = 0
      for (const number of partitionsOf(partition, config.kafka)) {
        const expected = await store.readWatermark({ partition: number })
        const watermark = expected === null ? null : parseWatermark(expected)
        if (watermark === null) {
          printLine(`partition ${number}: has no view at present, so there is nothing to set back.`)
          failed += 1
          continue
        }
        const start = await startOf(reader, { partition: number, from })
        const again = watermark.offset + 1n - start
        if (again <= 0n) {
          printLine(`partition ${number}: has not come to offset ${start} yet, nothing to fold again.`)
          continue
        }
        if (dryRun) {
          printLine(`partition ${number}: ${again} records from offset ${start} on would be folded again.`)
          continue
        }
        const next = formatWatermark(await watermarkBefore(reader, { watermark, start }))
        const set = await store.setWatermark({ partition: number, expected, next })
        if (set.kind === 'saved') {
          printLine(`partition ${number}: ${again} records from offset ${start} on are folded again.`)
          continue
        }
        printLine(`partition ${number}: its processor wrote meanwhile, nothing is set back. Ask again.`)
        failed += 1
      }
      return failed === 0 ? 0 : 1
    },
  })

async function startOf(
  reader: PartitionReader,
  { partition, from }: { partition: number; from: number | 'start' },
): Promise<bigint> {
  const at = { topic: topics.raw.name, partition }
  if (from === 'start') return (await reader.bounds(at)).start
  return reader.offsetAt({ ...at, timeMs: from })
}

/** The watermark of a view that has come to just before `start`. */
async function watermarkBefore(
  reader: PartitionReader,
  { watermark, start }: { watermark: Watermark; start: bigint },
): Promise<Watermark> {
  const offset = start - 1n
  const { partition } = watermark
  let notificationId: string | null = null
  for await (const records of reader.read({ topic: topics.raw.name, partition, from: offset, to: start })) {
    notificationId = records.at(-1)?.headers.get('notification-id')?.toString('utf8') ?? null
  }
  return { ...watermark, offset, notificationId }
}
