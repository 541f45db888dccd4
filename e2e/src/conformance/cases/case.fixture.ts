import type { Code } from '../answers.fixture.ts'
import type { Dialect, Plan } from '../request-plan.fixture.ts'
import type { StatementId } from '../statements.ts'

/** Which of the running processes is asked. */
export type IngressName = 'standard' | 'strict' | 'prefixed'

/** Where the notification is afterwards: in the raw topic, in quarantine with a reason, nowhere, or in none or one. */
export type Kept = 'raw' | 'nowhere' | 'perhaps' | 'not_json_object' | 'unroutable' | 'over_age'

/** One request and everything that must come of it. */
export type Case = {
  /** The statement that it protects. */
  by: StatementId
  /** The guarantee. */
  that: string
  dialect: Dialect
  plan: Plan
  code: Code
  /** HTTP status, 200 unless told. */
  status?: 400 | 405
  signed: 'yes' | 'no' | 'perhaps'
  kept: Kept
  on?: IngressName
  /** Interim answers before the answer; none unless told. */
  interim?: readonly number[]
  /** Texts of the request that must not be in the answer. */
  hidden?: readonly string[]
  /** How many times it is sent, one after the other, every time with this outcome; once unless told. */
  times?: number
  /** Sent while Kafka does not answer, so many times at once; the best fitting answer counts. */
  whileFrozen?: { copies: number }
}

type Given = Omit<Case, 'dialect'>

/** The notification is taken: S, signed, in the raw topic. */
export const taken = { code: 'SUCCESS', signed: 'yes', kept: 'raw' } as const

/** Refused to a known client on a path of its own: signed, and kept nowhere. */
export const refused = <C extends Code>(code: C) => ({ code, signed: 'yes', kept: 'nowhere' }) as const

/** Refused to somebody whom nothing is signed for. */
export const refusedUnsigned = <C extends Code>(code: C) => ({ code, signed: 'no', kept: 'nowhere' }) as const

/** Validly signed, but unusable: PARAM_ILLEGAL, and kept in quarantine. */
export const setAside = <R extends 'not_json_object' | 'unroutable'>(reason: R) =>
  ({ code: 'PARAM_ILLEGAL', signed: 'yes', kept: reason }) as const

export const alipayPlus = (cases: readonly Given[]): Case[] => cases.map((one) => ({ ...one, dialect: 'AP' }))
export const ams = (cases: readonly Given[]): Case[] => cases.map((one) => ({ ...one, dialect: 'AMS' }))
export const bothDialects = (cases: readonly Given[]): Case[] => [...alipayPlus(cases), ...ams(cases)]

/** A plan that changes the headers as a sender or an attacker would. */
export const withHeader = (name: string, value: string): Pick<Plan, 'headers'> => ({
  headers: (lines) => [...lines, [name, value]],
})

export const withoutHeader = (name: string): Pick<Plan, 'headers'> => ({
  headers: (lines) => lines.filter(([other]) => other.toLowerCase() !== name),
})

export const replacingHeader = (name: string, value: string): Pick<Plan, 'headers'> => ({
  headers: (lines) => lines.map((line) => (line[0].toLowerCase() === name ? [line[0], value] : line)),
})
