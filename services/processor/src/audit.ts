import { parseRegistrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Producer } from '@signalbox/kafka/producer'
import type { RegistrationStore, StoredRegistration } from '@signalbox/registration-store/registration-store'
import { type Audited, type OffsetRange, unaudited, withOurs } from './audited-range.ts'
import { isOlder, type Unreadable } from './newest-states.ts'
import type { ProcessorTopics } from './output-records.ts'
import { readKeptState, readStanding, type StateRecord, type UnreadableState } from './read-state.ts'
import { type Buried, createRepublish } from './republish.ts'

type Ports = {
  store: Pick<RegistrationStore, 'load'>
  producer: Pick<Producer, 'publish'>
  reader: Pick<PartitionReader, 'read' | 'bounds'>
  report: {
    /** Records of somebody else, and what had to be published again because of them. */
    audited: (event: { partition: number; looked: number; published: number; through: bigint }) => void
    /** Those of them that cannot be read. */
    unreadable: (event: { partition: number } & Unreadable) => void
  }
  /** A clock that never goes back. */
  nowMs: () => number
}

/** What the view has to stand for: its watermark as a text, and the raw offset in it. */
type View = { watermark: string; offset: bigint }

type Last = { registration: RegistrationRef; said: StateRecord }

/** What was read: of each registration the last record, which is the one that compaction keeps. */
type Read = { last: Last[]; unreadable: UnreadableState[]; rest: readonly OffsetRange[] }

const registrationsPerLoad = 200
/** The rest is for the next time: chunks wait for it. */
const mostRanges = 4
/**
 * Nothing more is asked of Kafka after this time. With the two seconds that each question may take, one publication and
 * Redis in its usual time, an audit is over in less than 12 s.
 */
const readingLimitMs = 2_000

/**
 * Creates the auditor of the state topic. A zombie, or a produce that was given up and lands late, can put an older
 * state record behind a newer one, and compaction would keep it: the owner of the partition then publishes the current
 * record again.
 */
export function createAudit(
  { store, producer, reader, report, nowMs }: Ports,
  settings: { topics: ProcessorTopics },
) {
  const republish = createRepublish({ store, producer }, settings)
  const topic = settings.topics.state.name

  /**
   * Looks at what others have written, up to the end that the log has now. `fenced`: the view has another watermark.
   *
   * @throws an Error when Kafka or Redis is away; AssertionError when a later build has written to the topic
   */
  return async function audit({
    partition,
    view,
    audited,
  }: {
    partition: number
    view: View
    audited: Audited
  }): Promise<{ kind: 'audited'; audited: Audited } | { kind: 'fenced' }> {
    const giveUpAtMs = nowMs() + readingLimitMs
    const { end } = await reader.bounds({ topic, partition })
    const { last, unreadable, rest } = await readRanges(partition, unaudited(audited, end), giveUpAtMs)
    const found = await findBuried({ partition, view, last })
    if (found.kind === 'fenced') return found
    const published = await republish({ partition, expected: view.watermark, buried: found.buried })
    if (published.kind === 'fenced') return published

    const { offsets } = published
    const through = end > audited.through ? end : audited.through
    const next = withOurs({ foreign: rest, through }, offsets)
    const looked = last.length
    if (looked > 0) report.audited({ partition, looked, published: offsets.length, through: next.through })
    const [first] = unreadable
    if (first !== undefined) report.unreadable({ partition, records: unreadable.length, first })
    return { kind: 'audited', audited: next }
  }

  /** Reads ranges in the order of the log until it is time to stop; `rest` is what was not read. */
  async function readRanges(
    partition: number,
    ranges: readonly OffsetRange[],
    giveUpAtMs: number,
  ): Promise<Read> {
    const last = new Map<string, Last>()
    const unreadable: UnreadableState[] = []
    const done = (rest: readonly OffsetRange[]) => ({ last: [...last.values()], unreadable, rest })
    const isLate = () => nowMs() >= giveUpAtMs
    for (const [index, { from, to }] of ranges.entries()) {
      if (index === mostRanges || (index > 0 && isLate())) return done(ranges.slice(index))
      for await (const records of reader.read({ topic, partition, from, to })) {
        for (const record of records) {
          const said = saidIn(record)
          if (said.kind === 'unreadable') unreadable.push(said)
          const registration = parseRegistrationKey(record.key ?? '')
          if (registration !== null) last.set(record.key ?? '', { registration, said })
        }
        const next = (records.at(-1)?.offset ?? from) + 1n
        if (next < to && isLate()) return done([{ from: next, to }, ...ranges.slice(index + 1)])
      }
    }
    return done([])
  }

  async function findBuried({
    partition,
    view,
    last,
  }: {
    partition: number
    view: View
    last: readonly Last[]
  }): Promise<{ kind: 'found'; buried: Buried[] } | { kind: 'fenced' }> {
    const buried: Buried[] = []
    let rest = last
    do {
      const some = rest.slice(0, registrationsPerLoad)
      const registrations = some.map(({ registration }) => registration)
      const loaded = await store.load({ partition, registrations })
      if (loaded.watermark !== view.watermark) return { kind: 'fenced' }
      // Of large registrations fewer come than were asked for.
      const compared = some.slice(0, loaded.registrations.length)
      for (const [index, { registration, said }] of compared.entries()) {
        const stored = loaded.registrations[index] ?? null
        if (isBuried(said, stored, view)) buried.push({ registration, forgottenRev: view.offset })
      }
      rest = rest.slice(compared.length)
    } while (rest.length > 0)
    return { kind: 'found', buried }
  }
}

function saidIn(record: ConsumedRecord): StateRecord {
  const said = readStanding(record)
  if (said.kind !== 'state' || readKeptState(record) !== null) return said
  return { kind: 'unreadable', key: said.key, offset: record.offset, rev: said.rev }
}

function isBuried(last: StateRecord, stored: StoredRegistration | null, view: View): boolean {
  // What is ahead of the view will be folded; what is not and is not there was forgotten.
  if (stored === null) return last.kind === 'state' && last.rev <= view.offset
  if (last.kind === 'unreadable') return true
  return isOlder(last, { rev: BigInt(stored.rev), isForgotten: false })
}
