import { type Decision, fold } from './fold.ts'
import { type Notification, type Observation, observe } from './observation.ts'
import { emptyRegistration, joinObservation, type Registers, type Registration } from './registration.ts'

// For tests only: what the processor does with a log, without Kafka and Redis.

export type FoldedLog = {
  outcomes: Decision['outcome'][]
  changes: Change[]
  registrations: Map<string, Registration>
}

type Change = Pick<Registration, 'version' | 'view'> & { key: string }

export function foldLog(log: readonly Notification[]): FoldedLog {
  const folded: FoldedLog = { outcomes: [], changes: [], registrations: new Map() }
  for (const notification of log) {
    const observed = observe(notification)
    if (observed.kind === 'quarantine') {
      folded.outcomes.push('quarantined')
      continue
    }
    const { clientId, referenceMerchantId, referenceStoreId } = observed.observation.registration
    const key = JSON.stringify([clientId, referenceMerchantId, referenceStoreId])
    const decision = fold(folded.registrations.get(key) ?? emptyRegistration, observed.observation)
    folded.outcomes.push(decision.outcome)
    if (decision.outcome === 'quarantined') continue
    folded.registrations.set(key, decision.next)
    if (decision.outcome === 'applied' || decision.outcome === 'flagged') {
      folded.changes.push({ key, version: decision.next.version, view: decision.next.view })
    }
  }
  return folded
}

/** The observations of a history in which nothing belongs in quarantine. */
export function observations(history: readonly Notification[]): Observation[] {
  return history.map((notification) => {
    const observed = observe(notification)
    if (observed.kind === 'quarantine')
      throw new Error(`unexpected quarantine: ${observed.reason} ${observed.where}`)
    return observed.observation
  })
}

export function registersOf(history: readonly Notification[]): Registers {
  return observations(history).reduce(joinObservation, emptyRegistration.registers)
}
