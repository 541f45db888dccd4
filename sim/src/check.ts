import { createHash } from 'node:crypto'
import { registrationKey } from '@signalbox/contracts/keys'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { registrationState } from '@signalbox/contracts/registration-state'
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
    ].map((problem) => `partition ${partition}: ${problem}`)
  })
  return [...problems.flat(), ...alertsDiffer(world, expected)]
}

function oracleRecord({ headers, value, timestampMs }: ConsumedRecord): OracleRecord {
  const read = parseRawHeaders(headers)
  if (read === null) throw new Error('the simulation wrote a raw record without its headers')
  const { clientId, dialect, push, requestTimeMs } = read
  return { body: String(value), clientId, dialect, push, requestTimeMs, appendTimeMs: timestampMs }
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
  return [
    ...mapsDiffer('in Redis', new Map(stored), finalByKey(verdict)),
    ...mapsDiffer('attention', new Map(listed), new Map(due)),
  ]
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
  const first = new Map<string, string>()
  const seen: { key: string; content: string }[] = []
  const problems: string[] = []
  for (const record of records) {
    const change = registrationChange.parse(JSON.parse(String(record.value)))
    const id = `${record.key} version ${change.version}`
    const bytes = bytesOf(record)
    const known = first.get(id)
    if (known !== undefined && known !== bytes) problems.push(`${id} has two contents`)
    if (known !== undefined) continue
    first.set(id, bytes)
    seen.push({ key: id, content: publishedContentOf(change) })
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

/** The state topic: per key one content per revision, and the greatest says what is. */
function statesDiffer(
  world: World,
  { partition, verdict }: { partition: number; verdict: OracleVerdict },
): string[] {
  const of = { topic: topics.state.name, partition }
  const contents = new Map<string, string>()
  const problems: string[] = []
  for (const record of world.broker.everAppended(of)) {
    if (record.value === null) {
      problems.push(`${record.key} is forgotten in the state topic`)
      continue
    }
    const { version, rebuild } = stateOf(record)
    const id = `state of ${record.key} version ${version}, revision ${rebuild.rev}`
    const bytes = bytesOf(record)
    if ((contents.get(id) ?? bytes) !== bytes) problems.push(`${id} has two contents`)
    contents.set(id, bytes)
  }
  const greatest = new Map<string, ReturnType<typeof stateOf>>()
  const last = new Map<string, ReturnType<typeof stateOf>>()
  for (const record of world.broker.read({ ...of, from: 0n })) {
    if (record.value === null) continue
    const state = stateOf(record)
    const key = String(record.key)
    last.set(key, state)
    const known = greatest.get(key)
    if (known === undefined || isLater(state, known)) greatest.set(key, state)
  }
  return [
    ...problems,
    ...mapsDiffer('the greatest in the state topic', contentsOf(greatest), finalByKey(verdict)),
    ...mapsDiffer('the last in the state topic', contentsOf(last), finalByKey(verdict)),
  ]
}

function stateOf({ value }: ConsumedRecord) {
  return registrationState.parse(JSON.parse(String(value)))
}

type State = ReturnType<typeof stateOf>

function contentsOf(states: ReadonlyMap<string, State>): Map<string, string> {
  return new Map([...states].map(([key, state]) => [key, publishedContentOf(state)]))
}

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
    return endpointsOf({ referenceMerchantId }).map(({ id }) => {
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

function alertsDiffer({ queueRedis, everQueued }: World, expected: ReadonlySet<string>): string[] {
  const { jobs } = queueRedis.now()
  const lost = [...expected].filter((id) => !jobs.has(id))
  const extra = [...everQueued].filter((id) => !expected.has(id))
  return [
    ...(lost.length === 0 ? [] : [`${lost.length} alerts of ${expected.size} are not queued, as ${lost[0]}`]),
    ...(extra.length === 0 ? [] : [`${extra.length} alerts are nobody's, as ${extra[0]}`]),
  ]
}
