import type { KafkaConfig } from '@signalbox/kafka/config'
import { type ConsumedRecord, scanTopic } from '@signalbox/kafka/log-reader'
import type { KnownKeys } from './known-keys.ts'
import { judgeRecord } from './record.ts'

export type TopicCounts = {
  genuine: number
  notGenuine: number
  /** Records that are no notifications. */
  other: number
  /** Of the genuine ones, those that verify with another key version than their record tells. */
  otherVersion: number
}

/** Enough to see a pattern; the search for a cause can take a second each. */
const maxExplained = 20

/**
 * Verifies every notification of a topic from the topic alone and prints each that does not verify, the first of them
 * with the cause.
 *
 * @throws what reading the topic throws
 */
export async function verifyTopic({
  kafka,
  topic,
  known,
  print,
  progress,
}: {
  kafka: KafkaConfig
  topic: string
  known: KnownKeys
  print: (line: string) => void
  progress: (visited: number, total: number) => void
}): Promise<TopicCounts> {
  const counts: TopicCounts = { genuine: 0, notGenuine: 0, other: 0, otherVersion: 0 }
  await scanTopic(kafka, topic, {
    visit: (records, { visited, total }) => {
      for (const record of records) count(record)
      progress(visited, total)
    },
  })
  return counts

  function count(record: ConsumedRecord): void {
    const judged = judgeRecord(record, known)
    switch (judged.kind) {
      case 'genuine':
        counts.genuine++
        if (judged.otherVersion) counts.otherVersion++
        return
      case 'other':
        counts.other++
        return
      case 'not_genuine': {
        const place = `${topic} partition ${record.partition} offset ${record.offset}`
        print(`${place}, notification ${judged.notificationId}, client ${judged.clientId}: ${judged.reason}.`)
        if (counts.notGenuine < maxExplained) for (const line of judged.explain()) print(`  ${line}`)
        if (++counts.notGenuine === maxExplained)
          print('  (From here on records are named without an explanation.)')
      }
    }
  }
}
