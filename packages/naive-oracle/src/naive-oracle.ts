/**
 * A second, deliberately naive implementation of the rules of state, written from their description and sharing
 * nothing with `packages/registration`: it keeps every notification it ever accepted and answers each question by
 * searching that list. Slow and simple, so that a test which compares the two finds the faults of either.
 *
 * It knows nothing of flags, inquiries, commands, duplicated JSON members and depth limits, and refuses
 * registrations with more than eight rounds: do not feed it those.
 */
export type OracleRecord = {
  /** The JSON text. */
  body: string
  clientId: string
  dialect: 'alipayplus' | 'ams'
  push: boolean
  requestTimeMs: number
  appendTimeMs: number
}

export type OracleOutcome = 'applied' | 'repeated' | 'stale' | 'quarantined'

export type OracleView = {
  collectiveStatus: string | null
  entries: { pspName: string; productCode: string; status: string; rejectionReason: string | null }[]
}

export type OracleState = OracleView & { version: number }

export type OracleVerdict = {
  /** One for each record. */
  outcomes: OracleOutcome[]
  changes: (OracleState & { key: string })[]
  /** By the JSON text of [client, merchant, store or null]. */
  final: Map<string, OracleState>
}

/** What should become of a raw log. Throws when the log has more than eight rounds of one registration. */
export function naiveOracle(log: readonly OracleRecord[]): OracleVerdict {
  const accepted = new Map<string, Said[]>()
  const verdict: OracleVerdict = { outcomes: [], changes: [], final: new Map() }

  for (const record of log) {
    const said = read(record)
    if (said === null) {
      verdict.outcomes.push('quarantined')
      continue
    }
    const earlier = accepted.get(said.key) ?? []
    const all = [...earlier, said]
    accepted.set(said.key, all)

    const before = verdict.final.get(said.key)
    const view = look(all)
    const { version = 0, ...seenBefore } = before ?? {}
    if (before === undefined || JSON.stringify(seenBefore) !== JSON.stringify(view)) {
      verdict.outcomes.push('applied')
      verdict.changes.push({ key: said.key, version: version + 1, ...view })
      verdict.final.set(said.key, { version: version + 1, ...view })
    } else {
      verdict.outcomes.push(lastEightContents(earlier).includes(said.content) ? 'repeated' : 'stale')
    }
  }
  return verdict
}

type Said = {
  key: string
  round: string | null
  timeMs: number
  collective: string | null
  mentions: Mention[]
  /** Everything the message means, apart from its time. */
  content: string
}

type Mention = { pspName: string; productCode: string; status: string; reason: string | null }

/** One list item, before those about the same entry are put together. */
type ItemRead = { mentions: Mention[]; unusual: boolean }

// ---- What is visible, given everything that was ever said ----

function look(all: readonly Said[]): OracleView {
  const rounds = roundsInOrder(all)
  const newestRound = rounds.at(-1)

  const collectiveReports = sightingsThatCount({
    all,
    deciding: newestRound,
    statusIn: (said) => said.collective,
  })
  const collective = choose(
    collectiveReports.map((said) => ({ said, status: said.collective ?? '', reason: null })),
  )

  const names = new Map(all.flatMap((said) => said.mentions).map((mention) => [nameOf(mention), mention]))
  const entries = [...names].map(([name, { pspName, productCode }]) => {
    const mentionIn = (said: Said) => said.mentions.find((mention) => nameOf(mention) === name)
    const deciding = rounds.findLast((round) =>
      all.some((said) => said.round === round && mentionIn(said) !== undefined),
    )
    const finalIn = (said: Said) => {
      const status = mentionIn(said)?.status
      return status === undefined || status === 'PENDING' ? null : status
    }
    const answer = choose(
      sightingsThatCount({ all, deciding, statusIn: finalIn }).map((said) => ({
        said,
        status: finalIn(said) ?? '',
        reason: mentionIn(said)?.reason ?? null,
      })),
    )
    return {
      pspName,
      productCode,
      status: answer?.status ?? 'PENDING',
      rejectionReason: answer?.reason ?? null,
    }
  })

  entries.sort((a, b) =>
    a.pspName === b.pspName ? order(a.productCode, b.productCode) : order(a.pspName, b.pspName),
  )
  return { collectiveStatus: collective?.status ?? null, entries }
}

function roundsInOrder(all: readonly Said[]): string[] {
  const ids = [...new Set(all.map((said) => said.round).filter((round) => round !== null))]
  if (ids.length > 8) throw new Error('the naive oracle does not know how rounds are forgotten')
  return ids.toSorted((a, b) => startOf(all, a) - startOf(all, b) || order(a, b))
}

function startOf(all: readonly Said[], round: string): number {
  return Math.min(...all.filter((said) => said.round === round).map((said) => said.timeMs))
}

/** Those of the deciding round; and those outside rounds whose status was last seen when that round had begun. */
function sightingsThatCount({
  all,
  deciding,
  statusIn,
}: {
  all: readonly Said[]
  deciding: string | undefined
  statusIn: (said: Said) => string | null
}): Said[] {
  const withStatus = all.filter((said) => statusIn(said) !== null)
  const outside = withStatus.filter((said) => said.round === null)
  if (deciding === undefined) return outside

  const startMs = startOf(all, deciding)
  const stillSaid = outside.filter((said) =>
    outside.some((other) => statusIn(other) === statusIn(said) && other.timeMs >= startMs),
  )
  return [...withStatus.filter((said) => said.round === deciding), ...stillSaid]
}

type Sighting = { said: Said; status: string; reason: string | null }

/** 48 h rule, then the highest rank, then the greater text. */
function choose(sightings: readonly Sighting[]): Sighting | undefined {
  const lastSeenMs = (status: string) =>
    Math.max(...sightings.filter((sighting) => sighting.status === status).map(({ said }) => said.timeMs))
  const newestMs = Math.max(...sightings.map(({ said }) => said.timeMs))
  const alive = sightings.filter(({ status }) => lastSeenMs(status) >= newestMs - 48 * 60 * 60 * 1000)
  const byRank = alive.toSorted((a, b) => byParts(rankOf(b.said), rankOf(a.said)))

  const best = byRank[0]
  if (best === undefined) return undefined
  const equals = byRank.filter(({ said }) => byParts(rankOf(said), rankOf(best.said)) === 0)
  equals.sort((a, b) => order(b.status, a.status) || order(b.reason ?? '', a.reason ?? ''))
  return equals[0]
}

function rankOf(said: Said): number[] {
  const finals = said.mentions.filter(({ status }) => status !== 'PENDING')
  return [finals.length, said.mentions.length, said.collective === 'COMPLETED' ? 1 : 0, said.timeMs]
}

function byParts(a: number[], b: number[]): number {
  const differences = a.map((part, index) => part - (b[index] ?? 0))
  return differences.find((difference) => difference !== 0) ?? 0
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a > b ? 1 : -1
}

function nameOf({ pspName, productCode }: { pspName: string; productCode: string }): string {
  return JSON.stringify([pspName, productCode])
}

function lastEightContents(said: readonly Said[]): string[] {
  return [...new Set(said.map(({ content }) => content).toReversed())].slice(0, 8)
}

// ---- What a message says ----

class Unfit extends Error {}

/** null: quarantined. */
function read(record: OracleRecord): Said | null {
  try {
    return readBody(record)
  } catch (error) {
    if (error instanceof Unfit || error instanceof SyntaxError) return null
    throw error
  }
}

function readBody({ body, clientId, dialect, push, requestTimeMs, appendTimeMs }: OracleRecord): Said {
  const message = membersOf(JSON.parse(body.replace(/^\uFEFF/, '')))
  const merchant = idIn(message, 'referenceMerchantId', 64)
  const store = idIn(message, 'referenceStoreId', 32)
  const round = idIn(message, 'registrationRequestId', 64)
  if (merchant === null) throw new Unfit('no merchant')
  if (push && store === null) throw new Unfit('no store')
  if (requestTimeMs > appendTimeMs + 48 * 60 * 60 * 1000) throw new Unfit('from the future')

  const collective = textIn(resultIn(message), 'registrationStatus')
  if (collective === null && dialect === 'alipayplus') throw new Unfit('no collective status')
  if (![null, 'COMPLETED', 'PENDING'].includes(collective)) throw new Unfit('collective status')

  const items = listIn(message, 'pspRegistrationResultList').map((item) => readItem(membersOf(item), dialect))
  const groups = Object.values(
    Object.groupBy(
      items.flatMap((item) => item.mentions),
      nameOf,
    ),
  ).map((group) => group ?? [])
  const mentions = groups
    .filter((group) => !isContradiction(group))
    .map(together)
    .toSorted((a, b) => order(nameOf(a), nameOf(b)))

  return {
    key: JSON.stringify([clientId, merchant, store]),
    round,
    timeMs: requestTimeMs,
    collective,
    mentions,
    content: JSON.stringify([
      round,
      collective,
      mentions,
      groups.some(isContradiction),
      items.some((item) => item.unusual),
    ]),
  }
}

function readItem(item: Members, dialect: 'alipayplus' | 'ams'): ItemRead {
  const spelling = textIn(item, 'pspName')
  if (spelling === null || !isSound(spelling)) throw new Unfit('pspName')
  const pspName = ['AlipayCN', 'ALIPAYCN'].includes(spelling) ? 'ALIPAY_CN' : spelling

  const result = resultIn(item)
  const status = textIn(result, 'registrationStatus') ?? 'PENDING'
  if (!['PENDING', 'APPROVED', 'REJECTED', 'CANCELLED'].includes(status)) throw new Unfit('status')

  const reasons = [reasonsIn(result, 'rejectionReason'), reasonsIn(result, 'rejectReasons')]
  const reason =
    reasons
      .find((texts) => texts.length > 0)
      ?.toSorted(order)
      .join('; ') ?? null

  const codes = textsIn(item, 'productCodes')
  if (!codes.every(isSound)) throw new Unfit('productCodes')
  if (codes.length === 0 && dialect === 'alipayplus') throw new Unfit('no productCodes')

  const isUnusualReason = reason !== null && (status !== 'REJECTED' || codePointsIn(reason) > 1024)
  return {
    mentions: (codes.length > 0 ? codes : ['*']).map((productCode) => ({
      pspName,
      productCode,
      status,
      reason,
    })),
    unusual: isUnusualReason || codes.some((code) => !documentedCodes.includes(code)),
  }
}

const documentedCodes = ['CASHIER_PAYMENT', 'AGREEMENT_PAYMENT', 'IN_STORE_PAYMENT']

function isContradiction(group: readonly Mention[]): boolean {
  return new Set(group.map(({ status }) => status).filter((status) => status !== 'PENDING')).size > 1
}

/** The mentions of one entry as one: the final if there is one, and the greater reason of that status. */
function together(group: readonly Mention[]): Mention {
  const [said] = group.toSorted(
    (a, b) =>
      Number(b.status !== 'PENDING') - Number(a.status !== 'PENDING') ||
      order(b.reason ?? '', a.reason ?? ''),
  )
  if (said === undefined) throw new Error('an empty group')
  return said
}

// ---- JSON members; null, absent and "" are one ----

type Members = Map<string, unknown>

function membersOf(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unfit('not an object')
  return new Map<string, unknown>(Object.entries(value))
}

function resultIn(members: Members): Members {
  const result = members.get('registrationResult') ?? null
  return result === null ? new Map() : membersOf(result)
}

function textIn(members: Members, name: string): string | null {
  const value = members.get(name) ?? ''
  if (typeof value !== 'string') throw new Unfit(name)
  return value === '' ? null : value
}

function listIn(members: Members, name: string): unknown[] {
  const value = members.get(name) ?? []
  if (!Array.isArray(value)) throw new Unfit(name)
  return value
}

function textsIn(members: Members, name: string): string[] {
  return listIn(members, name)
    .map((value) => {
      if (typeof value !== 'string') throw new Unfit(name)
      return value
    })
    .filter((text) => text !== '')
}

function reasonsIn(members: Members, name: string): string[] {
  if (typeof members.get(name) !== 'string') return textsIn(members, name)
  const text = textIn(members, name)
  return text === null ? [] : [text]
}

function idIn(members: Members, name: string, mostCodePoints: number): string | null {
  const id = textIn(members, name)
  if (id !== null && (!isSound(id) || codePointsIn(id) > mostCodePoints)) throw new Unfit(name)
  return id
}

function codePointsIn(text: string): number {
  return Array.from(text).length
}

function isSound(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}
