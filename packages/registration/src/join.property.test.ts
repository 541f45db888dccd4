import { beforeAll, describe, expect, test } from 'vitest'
import { fold } from './fold.ts'
import { join, mergeRegisters } from './join.ts'
import { check, type Findings, isEqual, logs, type Property } from './properties.fixture.ts'
import { observed, type Sent, soundLog } from './random-log.fixture.ts'
import { emptyRegistration, type Registers, type Registration } from './registration.ts'
import { createRandom, type Random } from './seeded-random.fixture.ts'
import {
  type EntryId,
  entryKey,
  type Erasure,
  type Forgetting,
  isFinal,
  type Statement,
} from './statement.ts'
import { viewOf } from './view.ts'

/** What may be said of a registration without ending it. */
type Said = Exclude<Statement, Forgetting>
type Step = { before: Registration; said: Said; after: Registration }

/** A log of one registration, folded. */
type Studied = { random: Random; statements: readonly Said[]; steps: readonly Step[]; last: Registration }

function study(log: readonly Sent[], seed: number): Studied {
  const statements = log.map((sent) => {
    const read = observed(sent)
    if (read.kind === 'quarantine' || read.statement.kind === 'forgetting') throw new Error(read.kind)
    return read.statement
  })
  const steps = stepsOf(statements)
  return { random: createRandom(seed + 1), statements, steps, last: steps.at(-1)?.after ?? emptyRegistration }
}

function stepsOf(statements: readonly Said[]): Step[] {
  let before = emptyRegistration
  return statements.map((said) => {
    const decision = fold(before, said)
    if (decision.outcome === 'quarantined' || decision.next === null) throw new Error(decision.outcome)
    const step = { before, said, after: decision.next }
    before = step.after
    return step
  })
}

function joinAll(statements: readonly Said[]): Registers {
  return statements.reduce(join, emptyRegistration.registers)
}

const idempotent: Property<Sent, Studied> = {
  name: 'what is known already raises no register and changes nothing visible',
  complaint({ statements, last }) {
    for (const said of statements) {
      const again = fold(last, said)
      if (again.outcome !== 'repeated' && again.outcome !== 'stale') return `again: ${again.outcome}`
      if (again.moved || again.next.registers !== last.registers) return 'a register moved'
      if (again.next.view !== last.view || again.next.version !== last.version) return 'the view changed'
    }
    return mergeRegisters(last.registers, last.registers) === last.registers ? null : 'merging with itself'
  },
}

const independentOfOrder: Property<Sent, Studied> = {
  name: 'any order and any repetition ends in the same registers and the same view',
  complaint({ random, statements, last }) {
    const repeated = statements.filter(() => random.chance(0.3))
    const registers = joinAll(random.shuffled([...statements, ...repeated]))
    if (!isEqual(registers, last.registers)) return 'other registers'
    return isEqual(viewOf(registers), last.view) ? null : 'another view'
  },
}

const erasureInAnyOrder: Property<Sent, Studied> = {
  name: 'an erasure takes what was signed until then, whether that comes before or after it',
  complaint({ random, statements }) {
    const { registration } = random.pick(statements)
    const erasedAtMs = signedMs(random.pick(statements)) + random.pick([-1, 0, 1])
    const erasure: Erasure = { kind: 'erasure', registration, erasedAtMs }
    const later = statements.filter((said) => signedMs(said) > erasedAtMs)
    const earlier = random.shuffled(statements.filter((said) => signedMs(said) <= erasedAtMs))
    const before = earlier.splice(0, random.below(earlier.length + 1))
    const mixed = joinAll([...before, erasure, ...random.shuffled([...earlier, ...later])])
    return isEqual(mixed, joinAll([erasure, ...later])) ? null : 'other registers'
  },
}

const associative: Property<Sent, Studied> = {
  name: 'register sets merge in any grouping and order, and the parts give the whole',
  complaint({ random, statements, last }) {
    const parts: [Said[], Said[], Said[]] = [[], [], []]
    for (const said of statements) random.pick(parts).push(said)
    const [a, b, c] = [joinAll(parts[0]), joinAll(parts[1]), joinAll(parts[2])]
    const ab = mergeRegisters(a, b)
    const whole = mergeRegisters(ab, c)
    if (!isEqual(ab, mergeRegisters(b, a))) return 'a ∪ b ≠ b ∪ a'
    if (!isEqual(whole, mergeRegisters(a, mergeRegisters(b, c)))) return '(a ∪ b) ∪ c ≠ a ∪ (b ∪ c)'
    return isEqual(whole, last.registers) ? null : 'the parts do not give the whole'
  },
}

const finalsStay: Property<Sent, Studied> = {
  name: 'a PENDING snapshot never displaces a final of its round',
  complaint({ statements, steps }) {
    // An inquiry may have found that an entry has no final. Where there was none, no notification takes a final away.
    const isUnasked = statements.every(({ kind }) => kind !== 'inquiry')
    const lost = steps.find(
      (step) => step.said.kind === 'notification' && (isUnasked || isOnlyPending(step)) && losesFinal(step),
    )
    return lost === undefined ? null : 'PENDING displaced a final'
  },
}

/** Brings no final, and does not move the beginning of a round. */
function isOnlyPending({ before, said }: Step): boolean {
  if (said.kind !== 'notification' || said.entries.some(({ status }) => isFinal(status))) return false
  const round = before.registers.rounds.find(({ id }) => id === said.round)
  return said.round === null || (round?.firstSeenMs ?? Infinity) <= said.requestTimeMs
}

function losesFinal({ before, after }: Step): boolean {
  return before.view.entries.some(
    (entry) =>
      isFinal(entry.status) &&
      after.view.entries.find((other) => isSameEntry(entry, other))?.status === 'PENDING' &&
      decidingRound(before.registers, entry) === decidingRound(after.registers, entry),
  )
}

function decidingRound({ rounds, sightings }: Registers, entry: EntryId): string | null {
  const mentioning = sightings.filter(({ entries }) => entries.some((other) => isSameEntry(entry, other)))
  return rounds.findLast(({ id }) => mentioning.some(({ roundId }) => roundId === id))?.id ?? null
}

function isSameEntry(entry: EntryId, other: EntryId): boolean {
  return entry.pspName === other.pspName && entry.productCode === other.productCode
}

const olderMail: Property<Sent, Studied> = {
  name: 'mail that leaves its round older never changes the collective, nor an entry that a later round mentions',
  complaint({ steps }) {
    for (const { before, said, after } of steps) {
      if (said.kind !== 'notification' || said.round === null) continue
      if (isNewButAskedFor(before.registers, said.round)) continue
      const latest = before.registers.rounds.at(-1)?.id
      if (latest === undefined || latest === said.round) continue
      if (latest !== after.registers.rounds.at(-1)?.id) continue
      if (before.view.collectiveStatus !== after.view.collectiveStatus) return 'the collective changed'

      // Mail may also show that its round is older than was thought: what is later only by that does not count.
      const stillLater = roundsAfter(before.registers, said.round)
      const later = roundsAfter(after.registers, said.round).filter((id) => stillLater.includes(id))
      const mentioning = before.registers.sightings.filter(({ roundId }) => later.includes(roundId ?? ''))
      const keys = new Set(mentioning.flatMap(({ entries }) => entries.map(entryKey)))
      const ofThose = ({ view }: Registration) => view.entries.filter((entry) => keys.has(entryKey(entry)))
      if (!isEqual(ofThose(before), ofThose(after))) return 'an entry changed'
    }
    return null
  },
}

/** An answer about a round that nobody knows counts by its time alone, until mail makes the round known. */
function isNewButAskedFor({ rounds, inquiry }: Registers, round: string): boolean {
  if (rounds.some(({ id }) => id === round)) return false
  return [inquiry.collective, ...inquiry.entries].some((answer) => answer?.askedRound === round)
}

/** All of them, when it is not known yet. */
function roundsAfter({ rounds }: Registers, id: string): string[] {
  return rounds.slice(rounds.findIndex((round) => round.id === id) + 1).map((round) => round.id)
}

function signedMs(said: Said): number {
  if (said.kind === 'opening') return said.openedAtMs
  return said.kind === 'erasure' ? said.erasedAtMs : said.requestTimeMs
}

const properties = [idempotent, independentOfOrder, erasureInAnyOrder, associative, finalsStay, olderMail]

describe(`on ${logs} random logs of one registration, up to eight rounds`, () => {
  let findings: Findings
  beforeAll(() => {
    findings = check({ logs, logOf: soundLog, study, properties })
  }, 600_000)

  test.each(properties)('$name', ({ name }) => {
    expect(findings.broken.get(name)).toBeUndefined()
    expect(findings.logs).toBe(logs)
  })
})
