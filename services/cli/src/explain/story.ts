import { type Mark, type RawRecord, type ReadRecord, readRecord } from '@signalbox/contracts/read-record'
import { fold } from '@signalbox/registration/fold'
import { contentHash } from '@signalbox/registration/statement'
import { emptyRegistration, type Registration } from '@signalbox/registration/registration'
import { differencesBetween, statementInWords, timeInWords, viewInWords } from './words.ts'

/** A raw record, as far as the story needs it. */
export type StoryRecord = RawRecord & { offset: bigint }

/** What one record did, in words. */
export type Chapter = { title: string; said: string; outcome: string; why: readonly string[] }

export type Story = {
  /** null: the registration without a store. */
  referenceStoreId: string | null
  chapters: readonly Chapter[]
  /** How it ends, as folded from the records. */
  version: number
  ending: readonly string[]
}

/** A record that is about no registration in particular, because it could not be read. */
export type SetAside = { offset: bigint; title: string; reason: string; where: string }

/** Tells what a merchant's records, in log order, did to each of its registrations and why. */
export function tellStories(records: readonly StoryRecord[]): { stories: Story[]; setAside: SetAside[] } {
  const tellers = new Map<string | null, Teller>()
  const setAside: SetAside[] = []
  for (const record of records) {
    const read = readRecord(record)
    if (read.kind === 'quarantine') {
      setAside.push({ offset: record.offset, title: titleOf(read), reason: read.reason, where: read.where })
      continue
    }
    const store = read.statement.registration.referenceStoreId
    const teller = tellers.get(store) ?? createTeller()
    tellers.set(store, teller)
    teller.tell(read)
  }
  const stories = [...tellers].map(([referenceStoreId, teller]) => ({ referenceStoreId, ...teller.end() }))
  return { stories, setAside }
}

type Read = Extract<ReadRecord<StoryRecord>, { kind: 'statement' }>
type Teller = ReturnType<typeof createTeller>

function createTeller() {
  let known: Registration = emptyRegistration
  const chapters: Chapter[] = []
  /** The chapter in which a content was first told. */
  const firstTold = new Map<string, number>()
  /** How many answers the fullest snapshot of a round held, and in which chapter it came. */
  const fullest = new Map<string | null, { answers: number; chapter: number }>()

  function tell(read: Read): void {
    const { statement } = read
    const content = contentHash(statement)
    const decision = fold(known, statement)
    const chapter = chapters.length + 1
    const why =
      decision.outcome === 'quarantined'
        ? [`It was set aside: ${decision.reason}.`]
        : decision.outcome === 'applied' || decision.outcome === 'flagged'
          ? changeInWords(known, decision.next)
          : [nothingChanged({ statement, outcome: decision.outcome, toldIn: firstTold.get(content) })]
    chapters.push({
      title: titleOf(read),
      said: statementInWords(statement),
      outcome: decision.outcome,
      why: [...why, ...read.marks.map((mark) => markInWords[mark])],
    })
    if (!firstTold.has(content)) firstTold.set(content, chapter)
    noteSnapshot(statement, chapter)
    if (decision.outcome !== 'quarantined') known = decision.next ?? emptyRegistration
  }

  function noteSnapshot(statement: Read['statement'], chapter: number): void {
    if (statement.kind !== 'notification') return
    const answers = answersIn(statement)
    const before = fullest.get(statement.round)
    if (before === undefined || answers > before.answers) fullest.set(statement.round, { answers, chapter })
  }

  function nothingChanged({
    statement,
    outcome,
    toldIn,
  }: {
    statement: Read['statement']
    outcome: 'repeated' | 'stale'
    toldIn: number | undefined
  }): string {
    if (outcome === 'repeated') {
      const earlier = toldIn === undefined ? 'earlier' : `in record ${toldIn}`
      return `The same was said ${earlier}. A sender repeats itself until it gets our answer, so nothing changes.`
    }
    const { erasedAtMs } = known.view
    if (erasedAtMs !== null) {
      return `The registration was erased at ${timeInWords(erasedAtMs)}; what was signed before stays out.`
    }
    const latest = known.registers.rounds.at(-1)?.id
    if (statement.kind === 'notification' && statement.round !== null && statement.round !== latest) {
      return `Round ${latest} has begun since and decides; late mail of round ${statement.round} changes nothing.`
    }
    const snapshot = statement.kind === 'notification' ? fullest.get(statement.round) : undefined
    if (statement.kind === 'notification' && snapshot && snapshot.answers > answersIn(statement)) {
      return (
        `An older snapshot: it holds ${count(answersIn(statement), 'answer')}, and ${snapshot.answers} ` +
        `${snapshot.answers === 1 ? 'is' : 'are'} known since record ${snapshot.chapter}. Inside a round answers are only gained, so it came late.`
      )
    }
    return 'It adds nothing to what is visible.'
  }

  function end(): Omit<Story, 'referenceStoreId'> {
    return { chapters, version: known.version, ending: viewInWords(known) }
  }

  return { tell, end }
}

function changeInWords(before: Registration, after: Registration | null): string[] {
  if (after === null) return ['What the erasure had left is gone: 31 days have passed.']
  const round = after.registers.rounds.at(-1)?.id
  const isNewRound = round !== undefined && round !== before.registers.rounds.at(-1)?.id
  return [
    `Version ${after.version}.`,
    ...(isNewRound ? [`Round ${round} begins.`] : []),
    ...differencesBetween(before.view, after),
  ]
}

function titleOf({ record, cause }: ReadRecord<StoryRecord>): string {
  const name = cause === null ? 'a record that cannot be read' : cause.notificationId
  return `${timeInWords(record.timestampMs)}, offset ${record.offset}, ${name}`
}

function answersIn({ entries }: { entries: readonly { status: string }[] }): number {
  return entries.filter(({ status }) => status !== 'PENDING').length
}

function count(number: number, thing: string): string {
  return `${number === 0 ? 'no' : number} ${thing}${number === 1 ? '' : 's'}`
}

const markInWords: Record<Mark, string> = {
  late: 'It arrived more than 25 h after it was signed: later than the sender’s last retry should.',
  early: 'It was signed more than 5 min ahead of our broker’s clock.',
  empty_text: 'It holds empty texts, which the documents forbid; they count as not given.',
  long_merchant_id: 'Its merchant id is longer than one of the documents allows.',
}
