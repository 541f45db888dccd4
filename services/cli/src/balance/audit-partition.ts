import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
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
  /** Empty: nothing differs. */
  problems: readonly string[]
  /** Whether the raw topic still holds its first record, so that folding it gives the whole state. */
  isWhole: boolean
  knows: (notificationId: string) => boolean
}

type Merchant = { clientId: string; referenceMerchantId: string }

/** How often a partition is read again because its processor was at work meanwhile. */
const attempts = 3
const merchantsAtOnce = 50
const pageSize = 500

/** Reads what the topics and Redis say of one partition and compares it. Changes nothing. */
export async function auditPartition(ports: {
  partition: number
  reader: PartitionReader
  store: Pick<RegistrationStore, 'readWatermark' | 'readBooks' | 'read'>
  progress: (visited: number, total: number) => void
}): Promise<PartitionBalance> {
  const { partition, reader, store, progress } = ports
  for (let attempt = 1; ; attempt++) {
    const before = await store.readWatermark({ partition })
    const balance = await auditOnce(before)
    const after = await store.readWatermark({ partition })
    if (after === before || attempt === attempts) {
      if (after === before) return balance
      const moving =
        'its processor was at work all the time, so registrations cannot be compared: ask again when it is quiet'
      return { ...balance, problems: [moving] }
    }
  }

  async function auditOnce(watermarkText: string | null): Promise<PartitionBalance> {
    const watermark = watermarkText === null ? null : parseWatermark(watermarkText)
    const books = await store.readBooks({ partition })
    const raw = await reader.bounds({ topic: topics.raw.name, partition })
    const next = watermark === null ? raw.start : watermark.offset + 1n

    const origins = new Set<bigint>()
    await scan(topics.quarantine.name, (records) => {
      for (const origin of quarantinedOrigins(records, { topic: topics.raw.name, partition })) {
        origins.add(origin)
      }
    })
    const folded = createRawAudit({ quarantined: origins })
    await scan(topics.raw.name, folded.visit, next)
    const state = createStateAudit()
    await scan(topics.state.name, state.visit)
    const changes = createChangesAudit()
    const changesStart = await scan(topics.changes.name, changes.visit)
    const shown = await shownRegistrations([...folded.merchants(), ...merchantsOf(state.standings())])

    const isWhole = raw.start === 0n
    return {
      partition,
      rawRecords: folded.records(),
      waiting: Number(raw.end - next),
      counts: books?.counts ?? {},
      registrations: shown.size,
      isWhole,
      knows: folded.knows,
      problems: [
        ...booksProblems({
          books,
          watermarkOffset: watermark?.offset ?? null,
          logEnd: raw.end,
          quarantinedOrigins: origins,
        }),
        ...state.problems(),
        ...changes.problems({ isWhole: changesStart === 0n }),
        ...standingProblems({
          here: shown,
          hereName: 'Redis',
          there: state.standings(),
          thereName: topics.state.name,
        }),
        ...(isWhole
          ? standingProblems({
              here: shown,
              hereName: 'Redis',
              there: folded.standings(),
              thereName: `${topics.raw.name}, folded again`,
            })
          : []),
        ...(isWhole && folded.notSetAside() > 0
          ? [`${folded.notSetAside()} records cannot be read and are not in ${topics.quarantine.name}`]
          : []),
      ],
    }
  }

  /** Gives the offset at which the log begins. */
  async function scan(
    topic: string,
    visit: (records: readonly ConsumedRecord[]) => void,
    until?: bigint,
  ): Promise<bigint> {
    const { start, end } = await reader.bounds({ topic, partition })
    const to = until === undefined || until > end ? end : until
    let visited = 0
    for await (const records of reader.read({ topic, partition, from: start, to })) {
      visit(records)
      visited += records.length
      progress(visited, Number(to - start))
    }
    return start
  }

  async function shownRegistrations(merchants: readonly Merchant[]): Promise<ReadonlyMap<string, Standing>> {
    const distinct = new Map(merchants.map((merchant) => [merchantKey(merchant), merchant]))
    const shown = new Map<string, Standing>()
    const left = distinct.values()
    await Promise.all(
      Array.from({ length: merchantsAtOnce }, async () => {
        for (const merchant of left) {
          let cursor: string | null = null
          do {
            const page = await store.read({ partition, merchant, cursor, limit: pageSize })
            for (const { registration, stored } of page.registrations) {
              if (stored.registration.version > 0)
                shown.set(registrationKey(registration), stored.registration)
            }
            cursor = page.next
          } while (cursor !== null)
        }
      }),
    )
    return shown
  }
}

function merchantsOf(standings: ReadonlyMap<string, Standing>): Merchant[] {
  return [...standings.keys()].map((key) => {
    const [clientId = '', referenceMerchantId = ''] = key.split('/').map(decodeURIComponent)
    return { clientId, referenceMerchantId }
  })
}
