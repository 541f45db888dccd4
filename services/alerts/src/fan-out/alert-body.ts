import type { AlertBody, AlertEvent } from '@signalbox/contracts/alert'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'

const eventOfFinal = new Map<string, AlertEvent['type']>([
  ['APPROVED', 'entry.approved'],
  ['REJECTED', 'entry.rejected'],
  ['CANCELLED', 'entry.cancelled'],
])

/**
 * The body of the alerts that a change owes: when an entry enters or changes a final, or the collective status
 * becomes COMPLETED; null when it has nothing to tell. `causedAt` is the change's `ce_time`. A function of the
 * change record alone, so one that comes again, from any offset, makes the same bytes.
 */
export function alertBodyOf(change: RegistrationChange, { causedAt }: { causedAt: string }): string | null {
  const events = [...change.entries.flatMap(entryEvents), ...collectiveEvents(change)]
  // An entry that is open again is told along with other news, but is no news that a merchant waits for.
  if (events.every(({ type }) => type === 'entry.reopened')) return null
  const body: AlertBody = {
    type: 'registration.changed',
    timestamp: causedAt,
    data: {
      registration: change.registration,
      version: change.version,
      collective: change.collectiveStatus,
      events,
    },
  }
  return JSON.stringify(body)
}

function entryEvents(entry: RegistrationChange['entries'][number]): AlertEvent[] {
  const { pspName, productCode, status, previousStatus, rejectionReason } = entry
  const type = status === previousStatus ? undefined : entryEventType(status, previousStatus)
  return type === undefined ? [] : [{ type, pspName, productCode, status, previousStatus, rejectionReason }]
}

function entryEventType(status: string, previousStatus: string | null): AlertEvent['type'] | undefined {
  const reopened = status === 'PENDING' && previousStatus !== null && eventOfFinal.has(previousStatus)
  return reopened ? 'entry.reopened' : eventOfFinal.get(status)
}

function collectiveEvents(change: RegistrationChange): AlertEvent[] {
  const { collectiveStatus: status, previousCollectiveStatus: previousStatus } = change
  if (status !== 'COMPLETED' || previousStatus === 'COMPLETED') return []
  return [
    {
      type: 'collective.completed',
      pspName: null,
      productCode: null,
      status,
      previousStatus,
      rejectionReason: null,
    },
  ]
}
