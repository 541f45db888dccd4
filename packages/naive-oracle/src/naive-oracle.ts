/**
 * A second, deliberately naive implementation of the rules of state, written from their description and sharing
 * nothing with `packages/registration`: it keeps everything it ever accepted and answers each question by searching
 * that list. Slow and simple, so that a test which compares the two finds the faults of either.
 *
 * It knows nothing of duplicated JSON members and depth limits: do not feed it those.
 */
export type OracleRecord =
  | {
      kind?: 'notification'
      /** The JSON text. */
      body: string
      clientId: string
      dialect: 'alipayplus' | 'ams'
      push: boolean
      requestTimeMs: number
      appendTimeMs: number
      /** Stands for a merchant that the body does not name. */
      attributedTo?: string
    }
  | {
      kind: 'inquiry'
      body: string
      clientId: string
      dialect: 'alipayplus' | 'ams'
      asked: { merchant: string; store: string | null; round: string | null }
      /** Response-Time. */
      requestTimeMs: number
      appendTimeMs: number
    }
  | {
      kind: 'command'
      /** The JSON text of a command. */
      body: string
      clientId: string
      appendTimeMs: number
    }

export type OracleOutcome = 'applied' | 'flagged' | 'repeated' | 'stale' | 'quarantined'

export type OracleFlag =
  | 'reversal'
  | 'round_order'
  | 'inconsistent_collective'
  | 'self_contradiction'
  | 'unusual_value'

export type OracleView = {
  collectiveStatus: string | null
  entries: { pspName: string; productCode: string; status: string; rejectionReason: string | null }[]
  flags: OracleFlag[]
  /** Set while nothing was heard since the registration was erased. */
  erasedAtMs: number | null
}

export type OracleState = OracleView & { version: number }

export type OracleVerdict = {
  /** One for each record. */
  outcomes: OracleOutcome[]
  /** Without those that only forget a registration. */
  changes: (OracleState & { key: string })[]
  /** By the JSON text of [client, merchant, store or null]; without forgotten registrations. */
  final: Map<string, OracleState>
  /** Of the same registrations, the flags that ask for an inquiry. */
  warnings: Map<string, OracleFlag[]>
}

const hourMs = 60 * 60 * 1000
const retryHorizonMs = 25 * hourMs
const doubtMs = 48 * hourMs
const erasureIsKeptMs = 31 * 24 * hourMs
const mostRounds = 64
const mostRoundsInFull = 8

/** What should become of a raw log. */
export function naiveOracle(log: readonly OracleRecord[]): OracleVerdict {
  const memories = new Map<string, Memory>()
  const verdict: OracleVerdict = { outcomes: [], changes: [], final: new Map(), warnings: new Map() }
  for (const record of log) {
    const statement = read(record)
    verdict.outcomes.push(statement === null ? 'quarantined' : hear(statement, { memories, verdict }))
  }
  return verdict
}

type Statement = Told | Answer | Opening | Erasure | Forgetting

/** What a notification tells. */
type Told = {
  kind: 'told'
  key: string
  round: string | null
  timeMs: number
  collective: string | null
  mentions: Mention[]
  contradictsItself: boolean
  isUnusual: boolean
  /** Everything the message means, apart from its time. */
  content: string
}

/** What an inquiry was answered. */
type Answer = {
  kind: 'answer'
  key: string
  /** The one that was asked for. */
  round: string | null
  timeMs: number
  collective: string | null
  mentions: Mention[]
  content: string
}

type Opening = { kind: 'opening'; key: string; round: string; timeMs: number; content: string }
type Erasure = { kind: 'erasure'; key: string; timeMs: number; content: string }
type Forgetting = { kind: 'forgetting'; key: string; timeMs: number }

type Mention = { pspName: string; productCode: string; status: string; reason: string | null }

/** All that is known of one registration. */
type Memory = {
  erasedAtMs: number | null
  /** In the order of the log, since the last erasure. */
  heard: (Told | Answer | Opening)[]
  /** Of those, what belongs to rounds that are no longer remembered in full. */
  forgotten: Set<Told | Answer | Opening>
  /** What was said, in the order of the log, since and including the last erasure. */
  contents: string[]
}

// ---- What becomes of one statement ----

function hear(
  statement: Statement,
  { memories, verdict }: { memories: Map<string, Memory>; verdict: OracleVerdict },
): OracleOutcome {
  const { key, timeMs } = statement
  const before = verdict.final.get(key)
  const memory = memories.get(key) ?? { erasedAtMs: null, heard: [], forgotten: new Set(), contents: [] }

  if (statement.kind === 'forgetting') {
    if (typeof before?.erasedAtMs !== 'number' || timeMs < before.erasedAtMs + erasureIsKeptMs) return 'stale'
    memories.delete(key)
    verdict.final.delete(key)
    verdict.warnings.delete(key)
    return 'applied'
  }

  const isKnown = lastEight(memory.contents).includes(statement.content)
  if (statement.kind === 'erasure') {
    // One that is not later is the same again: what was heard since stays.
    if (memory.erasedAtMs === null || timeMs > memory.erasedAtMs) {
      memory.erasedAtMs = timeMs
      memory.heard = []
      memory.forgotten = new Set()
      memory.contents = []
    }
  } else {
    if (memory.erasedAtMs !== null && timeMs <= memory.erasedAtMs) return 'stale'
    const rounds = roundsInOrder([...memory.heard, statement])
    if (rounds.length > mostRounds) return 'quarantined'
    memory.heard.push(statement)
    const inFull = rounds.slice(-mostRoundsInFull).map(({ id }) => id)
    for (const one of memory.heard) {
      if (one.kind === 'told' && one.round !== null && !inFull.includes(one.round)) memory.forgotten.add(one)
    }
  }
  memory.contents.push(statement.content)
  memories.set(key, memory)

  const { view, warnings } = look(memory)
  verdict.warnings.set(key, warnings)
  if (before !== undefined && isSame(before, view)) return isKnown ? 'repeated' : 'stale'
  const state = { version: (before?.version ?? 0) + 1, ...view }
  verdict.changes.push({ key, ...state })
  verdict.final.set(key, state)
  return before !== undefined && isSame({ ...before, flags: view.flags }, view) ? 'flagged' : 'applied'
}

function isSame(a: OracleView, b: OracleView): boolean {
  const text = ({ collectiveStatus, entries, flags, erasedAtMs }: OracleView) =>
    JSON.stringify([collectiveStatus, entries, flags, erasedAtMs])
  return text(a) === text(b)
}

function lastEight(contents: readonly string[]): string[] {
  return [...new Set(contents.toReversed())].slice(0, 8)
}

// ---- What is visible, given everything that was ever said ----

type Round = { id: string; startMs: number; firstSeenMs: number | null; openedAtMs: number | null }

/** What was told of an entry or of the whole, in one round or outside rounds, with one and the same status. */
type Seen = { status: string; lastSeenMs: number; sightings: Sighting[] }

type Sighting = { told: Told; status: string; reason: string | null }

function look({ heard, forgotten, erasedAtMs }: Memory): { view: OracleView; warnings: OracleFlag[] } {
  const rounds = roundsInOrder(heard)
  const told = heard.filter((one) => one.kind === 'told').filter((one) => !forgotten.has(one))
  const answers = heard.filter((one) => one.kind === 'answer')
  const scene: Scene = { rounds, told, answers }
  const latest = rounds.at(-1)

  const collectiveStatus = lookAtCollective(scene)
  const names = new Map(
    [...told, ...answers].flatMap(({ mentions }) => mentions).map((mention) => [nameOf(mention), mention]),
  )
  const looks = [...names.values()].map((name) => lookAtEntry(scene, name))
  looks.sort((a, b) => byName(a.entry, b.entry))
  const entries = looks.map(({ entry }) => entry)

  const latestId = latest?.id ?? null
  const mentionedLast = looks
    .filter(
      ({ entry, answeredFor }) =>
        answeredFor === latestId ||
        told.some((one) => one.round === latestId && mentionOf(entry, one) !== undefined),
    )
    .map(({ entry }) => entry)
  const inquiredAtMs = Math.max(...answers.map(({ timeMs }) => timeMs))
  const saidLastMs = (isSo: (one: Told) => boolean) => {
    const times = (round: string | null) =>
      told.filter((one) => one.round === round && isSo(one)).map(({ timeMs }) => timeMs)
    const outsideMs = Math.max(...times(null))
    const insideMs = latest === undefined ? -Infinity : Math.max(...times(latest.id))
    return outsideMs >= (latest?.startMs ?? -Infinity) ? Math.max(outsideMs, insideMs) : insideMs
  }
  const isDoubtful = (isSo: (one: Told) => boolean) => saidLastMs(isSo) > inquiredAtMs

  const raised: { flag: OracleFlag; is: boolean; warns: boolean }[] = [
    {
      flag: 'reversal',
      is: looks.some(({ reversal }) => reversal !== null),
      warns: looks.some(({ reversal }) => reversal === 'warn'),
    },
    { flag: 'round_order', is: isOrderDoubtful(rounds), warns: true },
    {
      flag: 'inconsistent_collective',
      is:
        collectiveStatus === 'COMPLETED'
          ? mentionedLast.length === 0 || mentionedLast.some(({ status }) => status === 'PENDING')
          : collectiveStatus === 'PENDING' &&
            mentionedLast.length > 0 &&
            mentionedLast.every(({ status }) => status !== 'PENDING'),
      warns: true,
    },
    { flag: 'self_contradiction', is: isDoubtful((one) => one.contradictsItself), warns: true },
    { flag: 'unusual_value', is: isDoubtful((one) => one.isUnusual), warns: false },
  ]
  const flags = raised.filter(({ is }) => is)
  return {
    view: {
      collectiveStatus,
      entries,
      flags: flags.map(({ flag }) => flag),
      erasedAtMs: heard.length === 0 ? erasedAtMs : null,
    },
    warnings: flags.filter(({ warns }) => warns).map(({ flag }) => flag),
  }
}

type Scene = { rounds: Round[]; told: Told[]; answers: Answer[] }

function roundsInOrder(heard: readonly (Told | Answer | Opening)[]): Round[] {
  const naming = heard.filter((one) => one.kind !== 'answer')
  const ids = [...new Set(naming.map(({ round }) => round).filter((round) => round !== null))]
  const rounds = ids.map((id) => {
    const times = (kind: 'told' | 'opening') =>
      naming.filter((one) => one.kind === kind && one.round === id).map(({ timeMs }) => timeMs)
    const firstSeenMs = smallest(times('told'))
    const openedAtMs = smallest(times('opening'))
    return { id, firstSeenMs, openedAtMs, startMs: openedAtMs ?? firstSeenMs ?? Infinity }
  })
  return rounds.toSorted((a, b) => a.startMs - b.startMs || order(a.id, b.id))
}

function smallest(times: readonly number[]): number | null {
  return times.length === 0 ? null : Math.min(...times)
}

function isOrderDoubtful(rounds: readonly Round[]): boolean {
  const [last, before] = rounds.toReversed()
  if (last === undefined || before === undefined) return false
  if (last.firstSeenMs === null || before.firstSeenMs === null) return false
  if (last.openedAtMs !== null && before.openedAtMs !== null) return false
  return Math.abs(last.firstSeenMs - before.firstSeenMs) <= retryHorizonMs
}

function lookAtCollective(scene: Scene): string | null {
  const deciding = scene.rounds.at(-1)
  const seen = seenThatCounts(scene, deciding, (told) =>
    told.collective === null ? null : { told, status: told.collective, reason: null },
  )
  const answer = latestAnswer(scene.answers, ({ collective }) =>
    collective === null ? null : { status: collective, reason: null },
  )
  if (answer === null || !answerCounts(scene, deciding, answer)) return choose(seen)?.status ?? null

  const since = seen.filter(({ lastSeenMs }) => lastSeenMs > answer.timeMs)
  const completed = since.filter(({ status }) => status === 'COMPLETED')
  if (answer.status === 'PENDING') return completed.length > 0 ? 'COMPLETED' : 'PENDING'
  const pending = since.filter(({ status }) => status === 'PENDING')
  const isHeld = pending.every(({ lastSeenMs }) => lastSeenMs <= answer.timeMs + retryHorizonMs)
  return isHeld ? 'COMPLETED' : (choose([...completed, ...pending])?.status ?? null)
}

function lookAtEntry(scene: Scene, name: { pspName: string; productCode: string }) {
  const deciding = scene.rounds.findLast(({ id }) =>
    scene.told.some((told) => told.round === id && mentionOf(name, told) !== undefined),
  )
  const seen = seenThatCounts(scene, deciding, (told) => {
    const mention = mentionOf(name, told)
    return mention === undefined || mention.status === 'PENDING' ? null : { told, ...mention }
  })
  const latest = latestAnswer(scene.answers, (answer) => mentionOf(name, answer) ?? null)
  const answer = latest !== null && answerCounts(scene, deciding, latest) ? latest : null
  const since = answer === null ? seen : seen.filter(({ lastSeenMs }) => lastSeenMs > answer.timeMs)

  const isKnown = scene.rounds.some(({ id }) => id === answer?.round)
  /** The known round that the answer was asked for, null: none of them; undefined: there is no such answer. */
  const answeredFor = answer === null ? undefined : isKnown ? answer.round : null

  const shown = (settled: { status: string; reason: string | null } | undefined) => ({
    pspName: name.pspName,
    productCode: name.productCode,
    status: settled?.status ?? 'PENDING',
    rejectionReason: settled?.reason ?? null,
  })
  if (answer === null || answer.status === 'PENDING') {
    return { entry: shown(choose(since)), reversal: reversalAmong(since), answeredFor }
  }
  const isLate = ({ status }: Seen) => lastSeenMs(since, status) > answer.timeMs + retryHorizonMs
  const others = since.filter(({ status }) => status !== answer.status)
  const news = choose(since.filter(isLate))
  return {
    entry: shown(news === undefined || news.status === answer.status ? answer : news),
    reversal: others.every(isLate) ? reversalAmong(since) : ('warn' as const),
    answeredFor,
  }
}

function reversalAmong(seen: readonly Seen[]): 'warn' | 'info' | null {
  const statuses = [...new Set(seen.map(({ status }) => status))]
  const isClose = statuses.some((one) =>
    statuses.some(
      (other) => other !== one && Math.abs(lastSeenMs(seen, one) - lastSeenMs(seen, other)) <= doubtMs,
    ),
  )
  if (!isClose) return null
  const [approved, cancelled] = ['APPROVED', 'CANCELLED'].map((status) => {
    const ranks = seen
      .filter((one) => one.status === status)
      .flatMap(({ sightings }) => sightings.map(({ told }) => rankOf(told)))
    return ranks.toSorted(byParts).at(-1)
  })
  if (statuses.length !== 2 || approved === undefined || cancelled === undefined) return 'warn'
  return byParts(cancelled, approved) > 0 ? 'info' : 'warn'
}

/** In the deciding round; and outside rounds, unless it fell silent before that round began. */
function seenThatCounts(
  { told }: Scene,
  deciding: Round | undefined,
  sightingIn: (told: Told) => Sighting | null,
): Seen[] {
  const seenIn = (round: string | null) => {
    const sightings = told
      .filter((one) => one.round === round)
      .map(sightingIn)
      .filter((sighting) => sighting !== null)
    return [...new Set(sightings.map(({ status }) => status))].map((status) => {
      const same = sightings.filter((sighting) => sighting.status === status)
      return { status, sightings: same, lastSeenMs: Math.max(...same.map(({ told }) => told.timeMs)) }
    })
  }
  const outside = seenIn(null)
  if (deciding === undefined) return outside
  return [...seenIn(deciding.id), ...outside.filter(({ lastSeenMs }) => lastSeenMs >= deciding.startMs)]
}

function latestAnswer(
  answers: readonly Answer[],
  statusIn: (answer: Answer) => { status: string; reason: string | null } | null,
) {
  const given = answers.flatMap((answer) => {
    const said = statusIn(answer)
    return said === null
      ? []
      : [{ timeMs: answer.timeMs, status: said.status, reason: said.reason, round: answer.round }]
  })
  return (
    given
      .toSorted(
        (a, b) =>
          a.timeMs - b.timeMs ||
          order(a.status, b.status) ||
          order(a.reason ?? '', b.reason ?? '') ||
          order(a.round ?? '', b.round ?? ''),
      )
      .at(-1) ?? null
  )
}

function answerCounts(
  { rounds }: Scene,
  deciding: Round | undefined,
  answer: { round: string | null; timeMs: number },
): boolean {
  if (deciding === undefined) return true
  const asked = rounds.findIndex(({ id }) => id === answer.round)
  return asked === -1 ? answer.timeMs >= deciding.startMs : asked >= rounds.indexOf(deciding)
}

/** 48 h rule, then the highest rank, then the greater text. */
function choose(seen: readonly Seen[]): Sighting | undefined {
  const newestMs = Math.max(...seen.map((one) => one.lastSeenMs))
  const alive = seen.filter(({ status }) => lastSeenMs(seen, status) >= newestMs - doubtMs)
  const sightings = alive.flatMap((one) => one.sightings)
  return sightings
    .toSorted(
      (a, b) =>
        byParts(rankOf(a.told), rankOf(b.told)) ||
        order(a.status, b.status) ||
        order(a.reason ?? '', b.reason ?? ''),
    )
    .at(-1)
}

function lastSeenMs(seen: readonly Seen[], status: string): number {
  return Math.max(...seen.filter((one) => one.status === status).map((one) => one.lastSeenMs))
}

function rankOf({ mentions, collective, timeMs }: Told): number[] {
  const finals = mentions.filter(({ status }) => status !== 'PENDING')
  return [finals.length, mentions.length, collective === 'COMPLETED' ? 1 : 0, timeMs]
}

function byParts(a: number[], b: number[]): number {
  const differences = a.map((part, index) => part - (b[index] ?? 0))
  return differences.find((difference) => difference !== 0) ?? 0
}

function order(a: string, b: string): number {
  if (a === b) return 0
  return a > b ? 1 : -1
}

type Name = { pspName: string; productCode: string }

function nameOf({ pspName, productCode }: Name): string {
  return JSON.stringify([pspName, productCode])
}

function byName(a: Name, b: Name): number {
  return order(a.pspName, b.pspName) || order(a.productCode, b.productCode)
}

function mentionOf({ pspName, productCode }: Name, { mentions }: { mentions: Mention[] }) {
  return mentions.find((mention) => mention.pspName === pspName && mention.productCode === productCode)
}

// ---- What a record says ----

class Unfit extends Error {}

/** null: quarantined. */
function read(record: OracleRecord): Statement | null {
  try {
    const message = membersOf(JSON.parse(record.body.replace(/^\uFEFF/, '')))
    if (record.kind === 'inquiry') return readAnswer(record, message)
    if (record.kind === 'command') return readCommand(record, message)
    return readNotification(record, message)
  } catch (error) {
    if (error instanceof Unfit || error instanceof SyntaxError) return null
    throw error
  }
}

function readNotification(
  record: Exclude<OracleRecord, { kind: 'inquiry' | 'command' }>,
  message: Members,
): Told {
  const merchant = idOf('merchant', textIn(message, 'referenceMerchantId') ?? record.attributedTo ?? null, 64)
  const store = idOf('store', textIn(message, 'referenceStoreId'), 32)
  const round = idOf('round', textIn(message, 'registrationRequestId'), 64)
  if (merchant === null) throw new Unfit('no merchant')
  if (record.push && store === null) throw new Unfit('no store')
  refuseFuture(record.requestTimeMs, record)
  const said = readResults(message, record.dialect)
  return {
    kind: 'told',
    key: JSON.stringify([record.clientId, merchant, store]),
    round,
    timeMs: record.requestTimeMs,
    ...said,
    content: JSON.stringify(['told', round, said]),
  }
}

function readAnswer(record: Extract<OracleRecord, { kind: 'inquiry' }>, message: Members): Answer {
  const merchant = idOf('merchant', record.asked.merchant, 64)
  const store = idOf('store', record.asked.store, 32)
  const round = idOf('round', record.asked.round, 64)
  if (merchant === null) throw new Unfit('no merchant')
  refuseFuture(record.requestTimeMs, record)
  if (textIn(membersOf(message.get('result')), 'resultStatus') !== 'S') throw new Unfit('not answered')
  const said = readResults(message, record.dialect)
  return {
    kind: 'answer',
    key: JSON.stringify([record.clientId, merchant, store]),
    round,
    timeMs: record.requestTimeMs,
    collective: said.collective,
    mentions: said.mentions,
    content: JSON.stringify(['answer', round, said]),
  }
}

function readCommand(
  record: Extract<OracleRecord, { kind: 'command' }>,
  message: Members,
): Opening | Erasure | Forgetting {
  const merchant = idOf('merchant', textIn(message, 'referenceMerchantId'), 64)
  const store = idOf('store', textIn(message, 'referenceStoreId'), 32)
  if (merchant === null) throw new Unfit('no merchant')
  const key = JSON.stringify([record.clientId, merchant, store])
  switch (textIn(message, 'command')) {
    case 'registration.opened': {
      const round = idOf('round', textIn(message, 'registrationRequestId'), 64)
      const openedAt = textIn(message, 'openedAt')
      if (round === null || openedAt === null) throw new Unfit('no round')
      const timeMs = timeOf(openedAt)
      refuseFuture(timeMs, record)
      const codes = [...new Set(textsIn(message, 'productCodes'))].toSorted(order)
      if (!codes.every(isSound)) throw new Unfit('productCodes')
      return { kind: 'opening', key, round, timeMs, content: JSON.stringify(['opening', round, codes]) }
    }
    case 'registration.erased':
      return { kind: 'erasure', key, timeMs: record.appendTimeMs, content: 'erasure' }
    case 'registration.forgotten':
      return { kind: 'forgetting', key, timeMs: record.appendTimeMs }
    default:
      throw new Unfit('command')
  }
}

function refuseFuture(timeMs: number, { appendTimeMs }: { appendTimeMs: number }): void {
  if (timeMs > appendTimeMs + doubtMs) throw new Unfit('from the future')
}

/** Epoch milliseconds of an RFC 3339 time. */
function timeOf(text: string): number {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(
    text,
  )
  if (parts === null) throw new Unfit('time')
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const [, , , , , , , fraction = '', sign = '+', offsetHours = '0', offsetMinutes = '0'] = parts
  // Days before each month; a leap day belongs to the years since the March before it.
  const sinceMarch = month > 2 ? year : year - 1
  const leapDays = Math.floor(sinceMarch / 4) - Math.floor(sinceMarch / 100) + Math.floor(sinceMarch / 400)
  const daysBefore = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month - 1]
  if (daysBefore === undefined) throw new Unfit('month')
  const days = (year - 1970) * 365 + leapDays - 477 + daysBefore + day - 1
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '+' ? 1 : -1)
  const minutes = (days * 24 + hour) * 60 + minute - offset
  return minutes * 60_000 + second * 1000 + Number(fraction.padEnd(3, '0').slice(0, 3))
}

/** What a notification and an inquiry's answer have in common. */
function readResults(message: Members, dialect: 'alipayplus' | 'ams') {
  const collective = textIn(resultIn(message), 'registrationStatus')
  if (collective === null && dialect === 'alipayplus') throw new Unfit('no collective status')
  if (![null, 'COMPLETED', 'PENDING'].includes(collective)) throw new Unfit('collective status')

  const items = listIn(message, 'pspRegistrationResultList').map((item) => readItem(membersOf(item), dialect))
  const groups = [
    ...Map.groupBy(
      items.flatMap(({ mentions }) => mentions),
      nameOf,
    ).values(),
  ]
  return {
    collective,
    mentions: groups
      .filter((group) => !isContradiction(group))
      .map(together)
      .toSorted(byName),
    contradictsItself: groups.some(isContradiction),
    isUnusual: items.some(({ isUnusual }) => isUnusual),
  }
}

/** One list item, before those about the same entry are put together. */
function readItem(item: Members, dialect: 'alipayplus' | 'ams'): { mentions: Mention[]; isUnusual: boolean } {
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
    isUnusual: isUnusualReason || codes.some((code) => !documentedCodes.includes(code)),
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

function idOf(what: string, id: string | null, mostCodePoints: number): string | null {
  if (id !== null && (!isSound(id) || codePointsIn(id) > mostCodePoints)) throw new Unfit(what)
  return id === '' ? null : id
}

function codePointsIn(text: string): number {
  return Array.from(text).length
}

function isSound(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}
