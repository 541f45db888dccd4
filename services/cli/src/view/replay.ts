import { headerText } from '@signalbox/contracts/header-texts'
import { topics } from '@signalbox/contracts/topics'
import { openPartitionReader, type PartitionReader } from '@signalbox/kafka/partition-reader'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { formatWatermark, parseWatermark } from '@signalbox/registration-store/watermark'
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
        const start = await startOf(reader, { partition: number, from })
        const notificationId = await notificationIdAt(reader, { partition: number, offset: start - 1n })
        const { line, isDone } = await setBack(store, { partition: number, start, notificationId, dryRun })
        printLine(`partition ${number}: ${line}`)
        if (!isDone) failed += 1
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

/** Names the record in front of the first one that is folded again; null: there is none, or it has no name. */
async function notificationIdAt(
  reader: PartitionReader,
  { partition, offset }: { partition: number; offset: bigint },
): Promise<string | null> {
  let notificationId: string | null = null
  const range = { topic: topics.raw.name, partition, from: offset, to: offset + 1n }
  for await (const records of reader.read(range)) {
    const found = records.find((record) => record.offset === offset)
    if (found !== undefined) notificationId = headerText(found.headers, 'notification-id') ?? notificationId
  }
  return notificationId
}

/** The processor writes with every chunk, so that the watermark may be another by the time it is compared. */
const attempts = 100

async function setBack(
  store: Pick<RegistrationStore, 'readWatermark' | 'setWatermark'>,
  {
    partition,
    start,
    notificationId,
    dryRun,
  }: { partition: number; start: bigint; notificationId: string | null; dryRun: boolean },
): Promise<{ line: string; isDone: boolean }> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const expected = await store.readWatermark({ partition })
    const watermark = expected === null ? null : parseWatermark(expected)
    if (watermark === null) {
      return { line: 'has no view at present, so there is nothing to set back.', isDone: false }
    }
    const again = watermark.offset + 1n - start
    if (again <= 0n) {
      return { line: `has not come to offset ${start} yet, nothing to fold again.`, isDone: true }
    }
    if (dryRun) {
      return { line: `${again} records from offset ${start} on would be folded again.`, isDone: true }
    }
    const next = formatWatermark({ ...watermark, offset: start - 1n, notificationId })
    const set = await store.setWatermark({ partition, expected, next })
    if (set.kind === 'saved') {
      return { line: `${again} records from offset ${start} on are folded again.`, isDone: true }
    }
  }
  return { line: 'its processor wrote all the time, nothing is set back. Ask again.', isDone: false }
}
