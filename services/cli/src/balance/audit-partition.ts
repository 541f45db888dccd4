import { headerText } from '@signalbox/contracts/header-texts'
import { merchantKey, parseRegistrationKey, registrationKey } from '@signalbox/contracts/keys'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { parseWatermark } from '@signalbox/registration-store/watermark'
import {
  booksProblems,
  createChangesAudit,
  createRawAudit,
  createStateAudit,
  quarantinedOrigins,
  type Shown,
  type Standing,
  standingProblems,
} from './partition-audit.ts'

export type PartitionBalance = {
  partition: number
  /** Records that the raw topic holds, and those that the view does not contain yet. */
  rawRecords: number
  waiting: number
  counts: Readonly<Record<string, number>>
  registrations: number
  /** Registrations that changed while they were read, so that they were not compared. */
  moved: number
  /** Empty: nothing differs. */
  problems: readonly string[]
  /** Whether the raw topic still holds its first record, so that folding it gives the whole state. */
  isWhole: boolean
}

type Merchant = { clientId: string; referenceMerchantId: string }

const merchantsAtOnce = 50
const pageSize = 500

/**
 * Reads what the topics and Redis say of one partition and compares it, also while a processor is at work. Changes
 * nothing.
 *
 * @param found is told the name of every notification in the raw topic
 */
export async function auditPartition(ports: {
  partition: number
  reader: PartitionReader
  store: Pick<RegistrationStore, 'readWatermark' | 'readBooks' | 'read'>
  found: (notificationId: string) => void
  progress: (visited: number, total: number) => void
}): Promise<PartitionBalance> {
  const { partition, reader, store, found, progress } = ports

  // First of all: what is published and appended later can only be more.
  const watermarkText = await store.readWatermark({ partition })
  const watermark = watermarkText === null ? null : parseWatermark(watermarkText)
  const books = await store.readBooks({ partition })
  const raw = await reader.bounds({ topic: topics.raw.name, partition })
  const through = watermark?.offset ?? raw.start - 1n

  const origins = new Map<bigint, number>()
  const quarantineStart = await scan(topics.quarantine.name, (records) => {
    for (const [offset, appendedMs] of quarantinedOrigins(records, { topic: topics.raw.name, partition })) {
      origins.set(offset, appendedMs)
    }
  })
  const folded = createRawAudit({ quarantined: origins })
  await scan(topics.raw.name, (records) => {
    folded.visit(records.filter(({ offset }) => offset <= through))
    for (const { headers } of records) found(headerText(headers, 'notification-id') ?? '')
  })
  const state = createStateAudit({ through })
  await scan(topics.state.name, (records) => state.visit(records))
  const changes = createChangesAudit()
  const changesStart = await scan(topics.changes.name, (records) => changes.visit(records))
  const { shown, moved } = await shownRegistrations([
    ...folded.merchants(),
    ...merchantsOf(state.standings()),
  ])

  const isWhole = raw.start === 0n
  const redis = { here: shown, hereName: 'Redis', moved }
  return {
    partition,
    rawRecords: folded.records(),
    waiting: Number(raw.end - 1n - through),
    counts: books?.counts ?? {},
    registrations: shown.size + moved.size,
    moved: moved.size,
    isWhole,
    problems: [
      ...booksProblems({
        books,
        watermarkOffset: watermark?.offset ?? null,
        logEnd: raw.end,
        quarantine: { origins, isWhole: quarantineStart === 0n },
      }),
      ...state.problems(),
      ...changes.problems(shown, { isWhole: changesStart === 0n }),
      ...standingProblems({ ...redis, there: state.standings(), thereName: topics.state.name }),
      ...(isWhole
        ? standingProblems({
            ...redis,
            there: folded.standings(),
            thereName: `${topics.raw.name}, folded again`,
          })
        : []),
      ...(isWhole && folded.notSetAside() > 0
        ? [`${folded.notSetAside()} records cannot be read and are not in ${topics.quarantine.name}`]
        : []),
    ],
  }

  /** Reads a topic to the end that it has now; gives the offset at which it begins. */
  async function scan(topic: string, visit: (records: readonly ConsumedRecord[]) => void): Promise<bigint> {
    const { start, end } = await reader.bounds({ topic, partition })
    let visited = 0
    for await (const records of reader.read({ topic, partition, from: start, to: end })) {
      visit(records)
      visited += records.length
      progress(visited, Number(end - start))
    }
    return start
  }

  async function shownRegistrations(
    merchants: readonly Merchant[],
  ): Promise<{ shown: ReadonlyMap<string, Shown>; moved: ReadonlySet<string> }> {
    const distinct = new Map(merchants.map((merchant) => [merchantKey(merchant), merchant]))
    const shown = new Map<string, Shown>()
    const moved = new Set<string>()
    const left = distinct.values()
    await Promise.all(
      Array.from({ length: merchantsAtOnce }, async () => {
        for (const merchant of left) {
          for await (const { registration, stored } of registrationsOf(merchant)) {
            if (stored.registration.version === 0) continue
            const key = registrationKey(registration)
            if (BigInt(stored.rev) > through) moved.add(key)
            else shown.set(key, { ...stored.registration, causedAtMs: stored.cause.appendTimeMs })
          }
        }
      }),
    )
    return { shown, moved }
  }

  async function* registrationsOf(merchant: Merchant) {
    let cursor: string | null = null
    do {
      const page = await store.read({ partition, merchant, cursor, limit: pageSize })
      yield* page.registrations
      cursor = page.next
    } while (cursor !== null)
  }
}

function merchantsOf(standings: ReadonlyMap<string, Standing>): Merchant[] {
  // A key that is none of ours is told by the comparison.
  return [...standings.keys()].flatMap((key) => parseRegistrationKey(key) ?? [])
}
