import { flagsOf } from '../flags.ts'
import { fold } from '../fold.ts'
import { type Notification, observe } from '../observation.ts'
import { emptyRegistration, type Registration } from '../registration.ts'
import { createRandom } from '../seeded-random.fixture.ts'
import type { Observation } from '../statement.ts'
import { type Conditions, createSenderHistory, lists, requestTimes, type Truth } from './sender.fixture.ts'

// For tests only.

/** What became of many histories under the same conditions. */
export type Row = {
  conditions: Conditions
  histories: number
  /** Some message was lost in every copy, so nobody can know the truth: not counted in what follows. */
  unknowable: number
  /** Something else than the truth is shown. */
  wrong: number
  /** The same, and no flag tells of a doubt. */
  silentlyWrong: number
  /** The same, and no flag asks for an inquiry. */
  wrongWithoutWarning: number
  /** The truth is shown, and a flag asks for an inquiry. */
  warnedThoughRight: number
  /** How often the obvious ways show something else than the truth; they never tell of a doubt. */
  lastArrivalWrong: number
  highestTimeWrong: number
}

/** Every combination, in the order of the table. */
export const allConditions: readonly Conditions[] = requestTimes.flatMap((requestTime) =>
  lists.flatMap((lists) =>
    [false, true].flatMap((reversals) =>
      [false, true].flatMap((registersAgain) =>
        [0, 0.1, 0.3].map((loss) => ({ requestTime, lists, reversals, registersAgain, loss })),
      ),
    ),
  ),
)

/** What the rows say against the rules, and against the simulation when it proves nothing. */
export function complaintsAbout(rows: readonly Row[]): string[] {
  const complaints = rows.flatMap(({ conditions, wrong, silentlyWrong }) => [
    ...(silentlyWrong > 0 ? [`${silentlyWrong} silently wrong: ${JSON.stringify(conditions)}`] : []),
    ...(wrong > 0 && !conditions.reversals
      ? [`${wrong} wrong without reversals: ${JSON.stringify(conditions)}`]
      : []),
    ...(wrong > 0 && conditions.requestTime === 'frozen'
      ? [`${wrong} wrong though retries keep their time: ${JSON.stringify(conditions)}`]
      : []),
  ])
  const isEverWrong = (
    loser: 'lastArrivalWrong' | 'highestTimeWrong',
    requestTime: Conditions['requestTime'],
  ) => rows.some((row) => row.conditions.requestTime === requestTime && row[loser] > 0)
  if (!isEverWrong('lastArrivalWrong', 'fresh') || !isEverWrong('lastArrivalWrong', 'frozen')) {
    complaints.push('the last arrival is never wrong: this proves nothing')
  }
  if (!isEverWrong('highestTimeWrong', 'fresh')) {
    complaints.push('the highest Request-Time is never wrong: this proves nothing')
  }
  return complaints
}

/** Each history is a function of the seed, its number and the conditions. */
export function simulate(
  conditions: Conditions,
  { histories, seed }: { histories: number; seed: number },
): Row {
  const row: Row = {
    conditions,
    histories,
    unknowable: 0,
    wrong: 0,
    silentlyWrong: 0,
    wrongWithoutWarning: 0,
    warnedThoughRight: 0,
    lastArrivalWrong: 0,
    highestTimeWrong: 0,
  }
  for (let number = 0; number < histories; number++) {
    const random = createRandom(Math.imul(seed, 0x9e3779b1) + number)
    const { arrived, truth, isSomeMessageLost } = createSenderHistory(random, conditions)
    if (isSomeMessageLost) {
      row.unknowable++
      continue
    }
    const said = arrived.map(observationOf)
    const { view, registers } = said.reduce(after, emptyRegistration)
    const isWarned = flagsOf(registers).some(({ severity }) => severity === 'warn')
    if (!isTrue({ collective: view.collectiveStatus, entries: byMpp(view.entries) }, truth)) {
      row.wrong++
      if (view.flags.length === 0) row.silentlyWrong++
      if (!isWarned) row.wrongWithoutWarning++
    } else if (isWarned) {
      row.warnedThoughRight++
    }
    if (
      !isTrue(
        obviousWay(said, () => true),
        truth,
      )
    )
      row.lastArrivalWrong++
    if (
      !isTrue(
        obviousWay(said, (newMs, shownMs) => newMs >= shownMs),
        truth,
      )
    )
      row.highestTimeWrong++
  }
  return row
}

function observationOf(notification: Notification): Observation {
  const observed = observe(notification)
  if (observed.kind === 'quarantine') throw new Error(`quarantined: ${observed.reason}`)
  return observed.statement
}

function after(known: Registration, said: Observation): Registration {
  const decision = fold(known, said)
  if (decision.outcome === 'quarantined' || decision.next === null) throw new Error(decision.outcome)
  return decision.next
}

type Shown = Omit<Truth, 'collective'> & { collective: string | null }

function byMpp(
  entries: Registration['view']['entries'],
): Map<string, { status: Observation['entries'][number]['status']; reason: string | null }> {
  return new Map(entries.map(({ pspName, status, rejectionReason: reason }) => [pspName, { status, reason }]))
}

function isTrue({ collective, entries }: Shown, truth: Truth): boolean {
  if (collective !== truth.collective || entries.size !== truth.entries.size) return false
  return [...truth.entries].every(([mpp, { status, reason }]) => {
    const entry = entries.get(mpp)
    return entry?.status === status && entry.reason === reason
  })
}

/** Takes over what a message says unless it is not news. */
function obviousWay(
  said: readonly Observation[],
  isNews: (newMs: number, shownMs: number) => boolean,
): Shown {
  let collective: { status: string | null; atMs: number } = { status: null, atMs: -Infinity }
  const entries = new Map<
    string,
    { status: Observation['entries'][number]['status']; reason: string | null; atMs: number }
  >()
  for (const { requestTimeMs: atMs, collective: status, entries: listed } of said) {
    if (isNews(atMs, collective.atMs)) collective = { status, atMs }
    for (const { pspName, status, rejectionReason: reason } of listed) {
      if (isNews(atMs, entries.get(pspName)?.atMs ?? -Infinity))
        entries.set(pspName, { status, reason, atMs })
    }
  }
  return { collective: collective.status, entries }
}
