import { type Decision, fold } from './fold.ts'
import { type Notification, observe, type Observed } from './observation.ts'
import { emptyRegistration, type Registers, type Registration } from './registration.ts'
import type { Observation, RegistrationId } from './statement.ts'

// For tests only: what the processor does with a log, without Kafka and Redis.

export type FoldedLog = {
  /** One for each record. */
  outcomes: Decision['outcome'][]
  changes: Change[]
  registrations: Map<string, Registration>
}

type Change = Pick<Registration, 'version' | 'view'> & { key: string }

export function foldLog(log: readonly Notification[]): FoldedLog {
  return foldObserved(log.map(observe))
}

export function foldObserved(log: readonly Observed[]): FoldedLog {
  const folded: FoldedLog = { outcomes: [], changes: [], registrations: new Map() }
  for (const observed of log) folded.outcomes.push(foldOne(folded, observed))
  return folded
}

function foldOne({ changes, registrations }: FoldedLog, observed: Observed): Decision['outcome'] {
  if (observed.kind === 'quarantine') return 'quarantined'
  const key = keyOf(observed.statement.registration)
  const decision = fold(registrations.get(key) ?? emptyRegistration, observed.statement)
  if (decision.outcome === 'quarantined') return decision.outcome
  if (decision.next === null) {
    registrations.delete(key)
    return decision.outcome
  }
  const { version, view } = decision.next
  if (version > 0) registrations.set(key, decision.next)
  if (decision.outcome === 'applied' || decision.outcome === 'flagged') changes.push({ key, version, view })
  return decision.outcome
}

export function keyOf({ clientId, referenceMerchantId, referenceStoreId }: RegistrationId): string {
  return JSON.stringify([clientId, referenceMerchantId, referenceStoreId])
}

/** The observations of a history in which nothing belongs in quarantine. */
export function observations(history: readonly Notification[]): Observation[] {
  return history.map((notification) => {
    const observed = observe(notification)
    if (observed.kind === 'quarantine')
      throw new Error(`unexpected quarantine: ${observed.reason} ${observed.where}`)
    return observed.statement
  })
}

/** Of one registration. */
export function registersOf(history: readonly Notification[]): Registers {
  const [registration, another] = foldLog(history).registrations.values()
  if (another !== undefined) throw new Error('several registrations')
  return (registration ?? emptyRegistration).registers
}
