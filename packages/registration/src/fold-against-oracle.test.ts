import { naiveOracle, type OracleVerdict } from '@signalbox/naive-oracle/naive-oracle'
import { beforeAll, describe, expect, test } from 'vitest'
import { flagsOf } from './flags.ts'
import { type FoldedLog, foldObserved, keyOf } from './fold-log.fixture.ts'
import type { Observed } from './observation.ts'
import { check, type Findings, isEqual, logs, type Property } from './properties.fixture.ts'
import { anyLog, observed, oracleRecord, type Sent } from './random-log.fixture.ts'
import type { Flag, Registration } from './registration.ts'
import { createRandom } from './seeded-random.fixture.ts'

type Studied = { seed: number; records: readonly Observed[]; folded: FoldedLog; verdict: OracleVerdict }

/** How often something happened in all logs together. */
const met = new Map<string, number>()
const meet = (what: string) => met.set(what, (met.get(what) ?? 0) + 1)

function study(log: readonly Sent[], seed: number): Studied {
  const records = log.map(observed)
  const verdict = naiveOracle(log.map(oracleRecord))
  for (const outcome of verdict.outcomes) meet(outcome)
  for (const { flags, erasedAtMs } of verdict.final.values()) {
    for (const flag of flags) meet(flag)
    if (erasedAtMs !== null) meet('erased')
  }
  return { seed, records, folded: foldObserved(records), verdict }
}

const versionsRise: Property<Sent, Studied> = {
  name: 'versions of a registration rise by exactly one, from 1, until it is forgotten',
  complaint({ records, folded: { outcomes, changes, registrations } }) {
    const latest = new Map<string, number>()
    const published = changes.values()
    for (const [index, record] of records.entries()) {
      const outcome = outcomes[index]
      if (record.kind === 'quarantine' || (outcome !== 'applied' && outcome !== 'flagged')) continue
      const key = keyOf(record.statement.registration)
      if (record.statement.kind === 'forgetting') {
        meet('forgotten')
        latest.delete(key)
        continue
      }
      const { value } = published.next()
      if (value === undefined) return `no change for record ${index}`
      if (value.key !== key) return `record ${index} changed another registration`
      if (value.version !== (latest.get(key) ?? 0) + 1) return `version ${value.version} of ${key}`
      latest.set(key, value.version)
    }
    const kept = Object.fromEntries([...registrations].map(([key, { version }]) => [key, version]))
    return isEqual(kept, Object.fromEntries(latest)) ? null : 'another version is kept'
  },
}

const outcomes = ['applied', 'flagged', 'repeated', 'stale', 'quarantined']

const booksBalance: Property<Sent, Studied> = {
  name: 'the books balance: one outcome a record, one change each time something visible changed',
  complaint({ records, folded }) {
    const counted = outcomes.map((outcome) => folded.outcomes.filter((one) => one === outcome).length)
    const [applied = 0, flagged = 0] = counted
    const sum = counted.reduce((total, count) => total + count, 0)
    if (sum !== records.length) return `${records.length} records, ${sum} outcomes`
    const forgotten = records.filter(
      (record, index) =>
        record.kind === 'statement' &&
        record.statement.kind === 'forgetting' &&
        folded.outcomes[index] === 'applied',
    ).length
    const expected = applied + flagged - forgotten
    return folded.changes.length === expected ? null : `${folded.changes.length} changes, not ${expected}`
  },
}

const prefixOfLog: Property<Sent, Studied> = {
  name: 'the change log of a prefix is a prefix of the change log',
  complaint({ seed, records, folded }) {
    const length = createRandom(seed + 1).below(records.length + 1)
    const prefix = foldObserved(records.slice(0, length))
    if (!isEqual(prefix.outcomes, folded.outcomes.slice(0, length))) return 'other outcomes'
    return isEqual(prefix.changes, folded.changes.slice(0, prefix.changes.length)) ? null : 'other changes'
  },
}

const sameAsOracle: Property<Sent, Studied> = {
  name: 'the fold and the naive oracle agree on every outcome, change, flag and final state',
  complaint({ folded, verdict }) {
    const changes = folded.changes.map(({ key, version, view }) => ({ key, version, ...view }))
    const final = [...folded.registrations].map(([key, { version, view }]) => [key, { version, ...view }])
    const warnings = [...folded.registrations].map(([key, registration]) => [key, warningsOf(registration)])
    return (
      difference('outcomes', folded.outcomes, verdict.outcomes) ??
      difference('changes', changes, verdict.changes) ??
      difference('final', Object.fromEntries(final), Object.fromEntries(verdict.final)) ??
      difference('warnings', Object.fromEntries(warnings), Object.fromEntries(verdict.warnings))
    )
  },
}

function warningsOf({ registers }: Registration): Flag[] {
  return flagsOf(registers)
    .filter(({ severity }) => severity === 'warn')
    .map(({ flag }) => flag)
}

function difference(what: string, fold: unknown, oracle: unknown): string | null {
  if (isEqual(fold, oracle)) return null
  return `${what}: the fold says\n${JSON.stringify(fold)}\nthe oracle says\n${JSON.stringify(oracle)}`
}

const properties = [versionsRise, booksBalance, prefixOfLog, sameAsOracle]

describe(`on ${logs} random logs of several registrations, with commands, inquiries and what belongs in quarantine`, () => {
  let findings: Findings
  beforeAll(() => {
    findings = check({ logs, logOf: anyLog, study, properties })
  }, 600_000)

  test.each(properties)('$name', ({ name }) => {
    expect(findings.broken.get(name)).toBeUndefined()
    expect(findings.logs).toBe(logs)
  })

  test('everything that may happen happened often, or the logs would prove little', () => {
    const often = [
      ...outcomes,
      'reversal',
      'round_order',
      'inconsistent_collective',
      'self_contradiction',
      'unusual_value',
      'erased',
      'forgotten',
    ]
    expect(often.filter((what) => (met.get(what) ?? 0) < 500)).toEqual([])
  })
})
