import { hashOfHex } from './fnv1a64.ts'
import {
  emptyRegistration,
  type EntrySightings,
  type EntryView,
  type Flag,
  type Rank,
  type Registers,
  type Registration,
  type Seen,
} from './registration.ts'
import type { CollectiveStatus, EntryStatus, FinalStatus } from './statement.ts'

// Only read: what an earlier build stored. It is JSON, `[1, texts, value]`, lists only. Each text stands once, in
// `texts`, and is referred to by its place there; a time is its distance from the time before it.

/** Total: what does not fit is noted in `from`, and some value of the type takes its place. */
type Reader<Value> = (packed: unknown, from: Reading) => Value
type Reading = { texts: readonly unknown[]; previousMs: number; isDamaged: boolean }

export function isFormat1(packed: string): boolean {
  return packed.startsWith('[')
}

/** null: damaged. */
export function unpackRegistrationOfFormat1(packed: string): Registration | null {
  return read(registration, packed)
}

/** null: damaged. */
export function unpackRegistersOfFormat1(packed: string): Registers | null {
  return read(registers, packed)
}

function read<Value>(reader: Reader<Value>, packed: string): Value | null {
  const from: Reading = { texts: [], previousMs: 0, isDamaged: false }
  const [format, texts, value] = listOf(parse(packed), from, { length: 3 })
  from.texts = listOf(texts, from)
  const unpacked = reader(value, from)
  return format === 1 && !from.isDamaged ? unpacked : null
}

const number: Reader<number> = (packed, from) =>
  typeof packed === 'number' && Number.isSafeInteger(packed) ? packed : damaged(from, 0)

const time: Reader<number> = (packed, from) => {
  from.previousMs += number(packed, from)
  return from.previousMs
}

const text: Reader<string> = (packed, from) => {
  const value = from.texts[number(packed, from)]
  return typeof value === 'string' ? value : damaged(from, '')
}

function oneOf<Choice>(...choices: readonly [Choice, ...Choice[]]): Reader<Choice> {
  return (packed, from) => choices[number(packed, from)] ?? damaged(from, choices[0])
}

function nullable<Value>(reader: Reader<Value>): Reader<Value | null> {
  return (packed, from) => (packed === null ? null : reader(packed, from))
}

function list<Item>(reader: Reader<Item>): Reader<readonly Item[]> {
  return (packed, from) => listOf(packed, from).map((item) => reader(item, from))
}

/** An object, from the list of its members in the order in which `members` names them. */
function record<Thing extends object>(
  members: { [Name in keyof Thing]-?: Reader<Thing[Name]> },
): Reader<Thing> {
  const length = Object.keys(members).length
  return (packed, from) => {
    const values = listOf(packed, from, { length }).values()
    const thing: Partial<Thing> = {}
    for (const name in members) thing[name] = members[name](values.next().value, from)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each member has been set
    return thing as Thing
  }
}

const rank = record<Rank>({
  finalEntries: number,
  entries: number,
  completed: oneOf<0 | 1>(0, 1),
  requestTimeMs: time,
})

function seen<Status extends FinalStatus | CollectiveStatus>(status: Reader<Status>): Reader<Seen<Status>> {
  return record<Seen<Status>>({ status, bestRank: rank, rejectionReason: nullable(text), lastSeenMs: time })
}

const collectiveStatus = oneOf<CollectiveStatus>('PENDING', 'COMPLETED')

const heard = record({
  rounds: list(record({ id: text, firstSeenMs: time, openedAtMs: nullable(time) })),
  sightings: list(
    record({
      roundId: nullable(text),
      collective: list(seen(collectiveStatus)),
      entries: list(
        record<EntrySightings>({
          pspName: text,
          productCode: text,
          reportedPspName: nullable(text),
          finals: list(seen(oneOf<FinalStatus>('APPROVED', 'REJECTED', 'CANCELLED'))),
        }),
      ),
      selfContradictionMs: nullable(time),
      unusualValueMs: nullable(time),
    }),
  ),
})

const seenView = record({
  collectiveStatus: nullable(collectiveStatus),
  entries: list(
    record<EntryView>({
      pspName: text,
      productCode: text,
      status: oneOf<EntryStatus>('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED'),
      rejectionReason: nullable(text),
    }),
  ),
  flags: list(
    oneOf<Flag>('reversal', 'round_order', 'inconsistent_collective', 'self_contradiction', 'unusual_value'),
  ),
})

/** There were neither inquiries nor commands. */
const registers: Reader<Registers> = (packed, from) => {
  const { rounds, sightings } = heard(packed, from)
  return {
    ...emptyRegistration.registers,
    rounds: rounds.map((round) => ({ ...round, productCodes: [] })),
    sightings,
  }
}

const registration = record<Registration>({
  version: number,
  view: (packed, from) => ({ ...seenView(packed, from), erasedAtMs: null }),
  registers,
  contents: list((packed, from) => hashOfHex(text(packed, from))),
})

function listOf(packed: unknown, from: Reading, { length }: { length?: number } = {}): readonly unknown[] {
  if (!Array.isArray(packed) || (length !== undefined && packed.length !== length)) return damaged(from, [])
  return packed
}

function damaged<Value>(from: Reading, instead: Value): Value {
  from.isDamaged = true
  return instead
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
