import { setTimeout as delay } from 'node:timers/promises'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { parseWatermark } from '@signalbox/registration-store/watermark'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { openProgress, type Progress } from '../verify/progress.ts'
import { openView, partitionOption, partitionsOf, viewConfig } from './open-view.ts'

const options = z.object({
  partition: partitionOption,
  yes: z.boolean().default(false).meta({ description: 'do it; without it only what would be done is told' }),
  waitSeconds: z.coerce.number().int().min(0).max(86_400).default(600).meta({
    value: 'N',
    description: 'how long to wait for the processors; 0 does not wait',
  }),
})

const pollMs = 250

export const createRebuildVerb = (env: Environment) =>
  createVerb({
    name: 'rebuild',
    about:
      'Has the processors make the view in Redis anew from the state topic and the last 48 h of the raw topic.',
    more: [
      'Takes the watermark away; the processor that owns the partition notices it with its next chunk and starts the',
      'rebuild. Meanwhile queries of the partition are answered 503. The same versions come out, so nobody is alerted again.',
      'Reads KAFKA_BROKERS, TOPIC_PARTITIONS, REDIS_URL and REDIS_KEY_PREFIX like the services.',
      'Exit code 0 when every partition is back, 1 otherwise.',
    ].join('\n'),
    options,
    async run({ partition, yes, waitSeconds }) {
      const config = viewConfig('signalbox rebuild', env)
      const partitions = partitionsOf(partition, config.kafka)
      await using store = await openView(config)
      if (!yes) {
        for (const number of partitions) {
          const standing = describe(await store.readWatermark({ partition: number }))
          printLine(`partition ${number}: would be rebuilt; its view ${standing}.`)
        }
        printLine('Nothing is done without --yes.')
        return 0
      }
      for (const number of partitions) await dropWatermark(store, number)
      using progress = openProgress('rebuild')
      const left = await untilBack(store, { partitions, deadlineMs: waitSeconds * 1_000, progress })
      if (left.length === 0) {
        progress.print(
          `Rebuilt: ${partitions.length === 1 ? 'the partition is' : 'all partitions are'} back.`,
        )
        return 0
      }
      progress.print(
        `Not back yet: partition ${left.join(', ')}. A processor must be running and own it; its log says partition.rebuilding.`,
      )
      return 1
    },
  })

/** Takes away the watermark that stands, whichever that is. */
async function dropWatermark(
  store: Pick<RegistrationStore, 'readWatermark' | 'setWatermark'>,
  partition: number,
) {
  for (;;) {
    const expected = await store.readWatermark({ partition })
    if (expected === null) return
    const set = await store.setWatermark({ partition, expected, next: null })
    if (set.kind === 'saved') return
  }
}

/** Gives the partitions that are not back when the time is over. */
async function untilBack(
  store: Pick<RegistrationStore, 'readWatermark'>,
  {
    partitions,
    deadlineMs,
    progress,
  }: { partitions: readonly number[]; deadlineMs: number; progress: Progress },
): Promise<number[]> {
  const giveUpAt = performance.now() + deadlineMs
  for (;;) {
    const left = []
    for (const partition of partitions) {
      const text = await store.readWatermark({ partition })
      if (text === null || parseWatermark(text) === null) left.push(partition)
    }
    if (left.length === 0 || performance.now() >= giveUpAt) return left
    progress.update(partitions.length - left.length, partitions.length)
    await delay(pollMs)
  }
}

function describe(text: string | null): string {
  const watermark = text === null ? null : parseWatermark(text)
  if (watermark !== null) return `has come to offset ${watermark.offset}`
  return text === null ? 'is not there' : 'is being rebuilt'
}
