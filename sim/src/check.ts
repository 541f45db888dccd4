import { createHash } from 'node:crypto'
import { parseCommandHeaders } from '@signalbox/contracts/command-record'
import { parseInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { registrationKey } from '@signalbox/contracts/keys'
import { parseQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { forgottenRev, registrationState } from '@signalbox/contracts/registration-state'
import { attentionOf } from '@signalbox/registration/attention'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import {
  naiveOracle,
  type OracleRecord,
  type OracleState,
  type OracleVerdict,
} from '@signalbox/naive-oracle/naive-oracle'
import { z } from 'zod'
import type { PartitionView } from './ports/memory-store.ts'
import { endpointsOf, type World } from './world.ts'

/** How what came of a run differs from what the raw log says; empty: not at all. */
export function differencesOf(world: World): string[] {
  const expected = new Set<string>()
  const problems = Array.from({ length: world.plan.partitions }, (_, partition) => {
    const raw = world.broker.everAppended({ topic: topics.raw.name, partition })
    const verdict = naiveOracle(raw.map(oracleRecord))
    for (const id of alertIdsOf(verdict)) expected.add(id)
    return [
      ...committedDiffers(world, partition),
      ...viewDiffers(world.stateRedis.now().get(partition), verdict),
      ...booksDiffer(world, { partition, verdict }),
      ...changesDiffer(world, { partition, verdict }),
      ...statesDiffer(world, { partition, verdict }),
      ...quarantineDiffers(world, { partition, verdict }),
      ...markersDiffer(world, partition),
    ].map((problem) => `partition ${partition}: ${problem}`)
  })
  return [...problems.flat(), ...alertsDiffer(world, expected)]
}

function oracleRecord({ headers, value, timestampMs: appendTimeMs }: ConsumedRecord): OracleRecord {
  const body = String(value)
  const read = parseRawHeaders(headers) ?? parseInquiryHeaders(headers) ?? parseCommandHeaders(headers)
  if (read === null) throw new Error('the simulation wrote a raw record without its headers')
  const { clientId } = read
  switch (read.kind) {
    case 'notification': {
      const { dialect, push, requestTimeMs, attributedTo } = read
      const attributed = attributedTo === undefined ? {} : { attributedTo }
      return { body, clientId, dialect, push, requestTimeMs, appendTimeMs, ...attributed }
    }
    case 'inquiry': {
      const { dialect, requestTimeMs } = read
      const asked = {
        merchant: read.askedMerchantId,
        store: read.askedStoreId,
        round: read.askedRequestId,
      }
      return { kind: read.kind, body, clientId, dialect, asked, requestTimeMs, appendTimeMs }
    }
    default:
      return { kind: read.kind, body, clientId, appendTimeMs }
  }
}

function committedDiffers(world: World, partition: number): string[] {
  return [
    { group: world.groups.processors, topic: topics.raw.name },
    { group: world.groups.fanOuts, topic: topics.changes.name },
  ].flatMap(({ group, topic }) => {
    const { end } = world.broker.bounds({ topic, partition })
    const committed = group.committed(partition)
    return committed === end ? [] : [`${topic} ends at ${end}, and its group has committed ${committed}`]
  })
}

/** The queue Redis: the markers reflect all receipts. */
function markersDiffer({ broker, queueRedis }: World, partition: number): string[] {
  const { end } = broker.bounds({ topic: topics.receipts.name, partition })
  const seen = queueRedis.now().receipts.get(partition)?.split(' ').at(-1)
  return seen === String(end) ? [] : [`the receipts end at ${end}, and the markers reflect ${seen}`]
}

/** Redis: what is known of each registration, and which lists it is on. */
function viewDiffers(view: PartitionView | undefined, verdict: OracleVerdict): string[] {
  const named = [...(view?.registrations.values() ?? [])]
  const stored = named.map(
    ({ registration: ref, stored: { registration } }) =>
      [registrationKey(ref), contentOf({ version: registration.version, ...registration.view })] as const,
  )
  const due = named.flatMap(({ registration: ref, stored: { registration } }) =>
    Object.entries(attentionOf(registration)).map(
      ([kind, sinceMs]) => [`${kind} ${registrationKey(ref)}`, String(sinceMs)] as const,
    ),
  )
  const listed = [...(view?.attention.values() ?? [])].map(
    ({ kind, registration, sinceMs }) =>
      [`${kind} ${registrationKey(registration)}`, String(sinceMs)] as const,
  )
  const known = new Map(due.filter(([place]) => !place.startsWith('unanswered')))
  return [
    ...mapsDiffer('in Redis', new Map(stored), finalByKey(verdict)),
    ...mapsDiffer('attention', new Map(listed), new Map(due)),
    ...mapsDiffer(
      'on a list',
      new Map([...known.keys()].map((place) => [place, 'there'])),
      new Map(listsOf(verdict).map((place) => [place, 'there'])),
    ),
  ]
}

/** Which registrations need attention; silence after an opening is not for the oracle to tell. */
function listsOf({ final, warnings }: OracleVerdict): string[] {
  return [...final].flatMap(([oracleKey, { collectiveStatus, erasedAtMs }]) => {
    const key = keyOf(oracleKey)
    return [
      ...((warnings.get(oracleKey) ?? []).length > 0 ? [`doubtful ${key}`] : []),
      ...(collectiveStatus === 'PENDING' ? [`pending ${key}`] : []),
      ...(erasedAtMs === null ? [] : [`erased ${key}`]),
    ]
  })
}

/** Every record is counted once; and rightly, unless the view was made anew and what was known came again. */
function booksDiffer(world: World, of: { partition: number; verdict: OracleVerdict }): string[] {
  const { outcomes } = of.verdict
  const books = world.stateRedis.now().get(of.partition)?.books
  if (books === undefined || books === null) return ['there are no books']
  const from = Number(books.countedFrom)
  const through = Number(books.countedThrough)
  const counted = Object.values(books.counts).reduce((sum, count) => sum + count, 0)
  if (through !== outcomes.length - 1 || counted !== through - from + 1) {
    return [`the books hold ${counted} records, ${from} to ${through}, of ${outcomes.length} in the log`]
  }
  if (world.remade.has(of.partition)) return []
  const should = Map.groupBy(outcomes.slice(from), (outcome) => outcome)
  return Object.entries(books.counts).flatMap(([outcome, count]) => {
    const right = [...should].find(([kind]) => kind === outcome)?.[1].length ?? 0
    return count === right ? [] : [`the books hold ${count} ${outcome}, not ${right}`]
  })
}

/** The change log: versions in order and with one content each. */
function changesDiffer(
  world: World,
  { partition, verdict }: { partition: number; verdict: OracleVerdict },
): string[] {
  const records = world.broker.everAppended({ topic: topics.changes.name, partition })
  const forgettings = forgettingsIn(world, { partition, verdict })
  const first = new Map<string, string>()
  const seen: { key: string; content: string }[] = []
  const problems: string[] = []
  for (const record of records) {
    const change = registrationChange.parse(JSON.parse(String(record.value)))
    // One that is heard of after it was forgotten begins with version 1 again.
    const before = forgettings.filter(
      ({ key, offset }) => key === record.key && offset < BigInt(change.cause.raw.offset),
    )
    const again = before.length === 0 ? '' : `, forgotten ${before.length} times`
    const id = `${record.key} version ${change.version}${again}`
    const bytes = bytesOf(record)
    const known = first.get(id)
    if (known !== undefined && known !== bytes) problems.push(`${id} has two contents`)
    if (known !== undefined) continue
    first.set(id, bytes)
    seen.push({ key: `${record.key} version ${change.version}`, content: publishedContentOf(change) })
  }
  const wanted = verdict.changes.map((change) => ({
    key: `${keyOf(change.key)} version ${change.version}`,
    content: contentOf(change),
  }))
  const place = wanted.findIndex((change, index) => JSON.stringify(change) !== JSON.stringify(seen[index]))
  if (place !== -1) {
    problems.push(`change ${place} is ${JSON.stringify(seen[place])}, not ${JSON.stringify(wanted[place])}`)
  } else if (seen.length > wanted.length) {
    problems.push(`a change too many: ${JSON.stringify(seen[wanted.length])}`)
  }
  return problems
}

/** The raw offsets at which something was forgotten. */
function forgettingsIn(
  world: World,
  { partition, verdict: { outcomes } }: { partition: number; verdict: OracleVerdict },
): { key: string; offset: bigint }[] {
  const raw = world.broker.everAppended({ topic: topics.raw.name, partition })
  return raw.flatMap(({ offset, headers, value }, index) => {
    if (outcomes[index] !== 'applied' || !String(value).includes('registration.forgotten')) return []
    const clientId = parseCommandHeaders(headers)?.clientId
    if (clientId === undefined) return []
    const { referenceMerchantId, referenceStoreId = null } = forgetting.parse(JSON.parse(String(value)))
    return [{ key: registrationKey({ clientId, referenceMerchantId, referenceStoreId }), offset }]
  })
}

const forgetting = z.object({ referenceMerchantId: z.string(), referenceStoreId: z.string().optional() })

/** The state topic: per key one content per revision, and the greatest as well as the last says what is. */
function statesDiffer(
  world: World,
  { partition, verdict }: { partition: number; verdict: OracleVerdict },
): string[] {
  const of = { topic: topics.state.name, partition }
  const contents = new Map<string, string>()
  const problems: string[] = []
  for (const record of world.broker.everAppended(of)) {
    const id = `state of ${record.key}, ${placeOf(record)}`
    const bytes = bytesOf(record)
    if ((contents.get(id) ?? bytes) !== bytes) problems.push(`${id} has two contents`)
    contents.set(id, bytes)
  }
  const left = world.broker.read({ ...of, from: 0n })
  return [
    ...problems,
    ...mapsDiffer('the greatest in the state topic', greatestIn(left), finalByKey(verdict)),
    ...mapsDiffer('the last in the state topic', lastIn(left), finalByKey(verdict)),
  ]
}

function placeOf(record: ConsumedRecord): string {
  if (record.value === null) return `forgotten at ${forgottenRev(record.headers)}`
  const { version, rebuild } = stateOf(record)
  return `version ${version}, revision ${rebuild.rev}`
}

function lastIn(records: readonly ConsumedRecord[]): Map<string, string> {
  const last = new Map<string, string>()
  for (const record of records) {
    const key = String(record.key)
    if (record.value === null) last.delete(key)
    else last.set(key, publishedContentOf(stateOf(record)))
  }
  return last
}

/** Of what was said since it was last forgotten. */
function greatestIn(records: readonly ConsumedRecord[]): Map<string, string> {
  const forgotten = new Map<string, bigint>()
  for (const { key, value, headers } of records) {
    const rev = BigInt(forgottenRev(headers) ?? -1)
    if (value === null && rev > (forgotten.get(String(key)) ?? -1n)) forgotten.set(String(key), rev)
  }
  const greatest = new Map<string, State>()
  for (const record of records) {
    if (record.value === null) continue
    const state = stateOf(record)
    const key = String(record.key)
    if (BigInt(state.rebuild.rev) <= (forgotten.get(key) ?? -1n)) continue
    const known = greatest.get(key)
    if (known === undefined || isLater(state, known)) greatest.set(key, state)
  }
  return new Map([...greatest].map(([key, state]) => [key, publishedContentOf(state)]))
}

/** What was set aside, as it came, and nothing else. */
function quarantineDiffers(
  world: World,
  { partition, verdict: { outcomes } }: { partition: number; verdict: OracleVerdict },
): string[] {
  const raw = world.broker.everAppended({ topic: topics.raw.name, partition })
  const bad = raw.filter((_, index) => outcomes[index] === 'quarantined')
  const wanted = new Map(bad.map((record) => [`offset ${record.offset}`, bytesOf(record)]))
  const aside = world.broker.everAppended({ topic: topics.quarantine.name, partition })
  const seen = aside.map((record) => {
    const read = parseQuarantineHeaders(record.headers)
    const headers = read?.original ?? record.headers
    return [`offset ${read?.note.origin?.offset}`, bytesOf({ ...record, headers })] as const
  })
  return mapsDiffer('in quarantine', new Map(seen), wanted)
}

function stateOf({ value }: ConsumedRecord) {
  return registrationState.parse(JSON.parse(String(value)))
}

type State = ReturnType<typeof stateOf>

function isLater(left: State, right: State): boolean {
  if (left.version !== right.version) return left.version > right.version
  return BigInt(left.rebuild.rev) > BigInt(right.rebuild.rev)
}

/** What everybody sees of a registration, in one order of the members. */
function contentOf({ version, collectiveStatus, entries, flags, erasedAtMs }: Visible): string {
  return JSON.stringify([
    version,
    collectiveStatus,
    entries.map(({ pspName, productCode, status, rejectionReason }) => [
      pspName,
      productCode,
      status,
      rejectionReason,
    ]),
    flags,
    erasedAtMs,
  ])
}

type Visible = Pick<OracleState, 'version' | 'collectiveStatus' | 'erasedAtMs'> & {
  entries: readonly OracleState['entries'][number][]
  flags: readonly string[]
}

type Published = Omit<Visible, 'erasedAtMs'> & { erasedAt?: string | undefined }

/** As it is published, `erasedAt` is a text. */
function publishedContentOf({ erasedAt, ...state }: Published): string {
  return contentOf({ ...state, erasedAtMs: erasedAt === undefined ? null : Date.parse(erasedAt) })
}

function mapsDiffer(
  where: string,
  seen: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): string[] {
  const keys = new Set([...seen.keys(), ...wanted.keys()])
  return [...keys].flatMap((key) => {
    const [is = 'nothing', should = 'nothing'] = [seen.get(key), wanted.get(key)]
    return is === should ? [] : [`${where} ${key} is ${is}, not ${should}`]
  })
}

function finalByKey({ final }: OracleVerdict): Map<string, string> {
  return new Map([...final].map(([key, state]) => [keyOf(key), contentOf(state)]))
}

function keyOf(oracleKey: string): string {
  const [clientId, referenceMerchantId, referenceStoreId] = idsOf(oracleKey)
  return registrationKey({ clientId, referenceMerchantId, referenceStoreId })
}

const idsText = z.tuple([z.string(), z.string(), z.string().nullable()])

function idsOf(oracleKey: string): z.infer<typeof idsText> {
  return idsText.parse(JSON.parse(oracleKey))
}

function bytesOf({ key, value, headers }: ConsumedRecord): string {
  const named = [...headers].map(([name, content]) => `${name}=${String(content)}`)
  return [key, String(value), ...named].join('\n')
}

/** The ids of all alerts that a history of changes owes. */
function alertIdsOf({ changes }: OracleVerdict): string[] {
  const before = new Map<string, OracleState>()
  return changes.flatMap((change) => {
    const previous = before.get(change.key)
    before.set(change.key, change)
    if (!isNews(previous, change)) return []
    const [, referenceMerchantId] = idsOf(change.key)
    return endpointsOf({ referenceMerchantId }).map((id) => {
      const text = `${keyOf(change.key)}|${change.version}|${id}`
      return `a-${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`
    })
  })
}

/** An entry enters or changes a final, or the collective status becomes COMPLETED. */
function isNews(previous: OracleState | undefined, change: OracleState): boolean {
  if (change.collectiveStatus === 'COMPLETED' && previous?.collectiveStatus !== 'COMPLETED') return true
  return change.entries.some(({ pspName, productCode, status }) => {
    const before = previous?.entries.find(
      (entry) => entry.pspName === pspName && entry.productCode === productCode,
    )
    return status !== 'PENDING' && status !== before?.status
  })
}

/** Every alert has its receipt and leaves nothing behind, and nobody was sent another one. */
function alertsDiffer(world: World, expected: ReadonlySet<string>): string[] {
  const received = world.receivedIds()
  const lost = [...expected].filter((id) => !received.has(id))
  const extra = [...world.sent.keys()].filter((id) => !expected.has(id))
  const { owed, bodies, jobs } = world.queueRedis.now()
  const left = { owed: owed.size, bodies: bodies.size, jobs: jobs.size }
  return [
    ...(lost.length === 0
      ? []
      : [`${lost.length} alerts of ${expected.size} are not delivered, as ${lost[0]}`]),
    ...(extra.length === 0 ? [] : [`${extra.length} alerts are nobody's, as ${extra[0]}`]),
    ...Object.entries(left).flatMap(([what, count]) =>
      count === 0 ? [] : [`${count} ${what} are left in the queue Redis`],
    ),
  ]
}
