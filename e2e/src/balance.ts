import { alertId } from '@signalbox/contracts/alert'
import { registrationKey } from '@signalbox/contracts/keys'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import type { RunFacts } from './run-facts.ts'

/** The books of a run, from the sender's first byte to the merchant's answer. */
export type Balance = {
  sent: { attempts: number; notifications: number; duplicates: number; late: number }
  acknowledged: number
  inKafka: number
  /** Answered S, but not in the log: must be 0. */
  acknowledgedMissing: number
  outcomes: Readonly<Record<string, number>>
  /** Versions, each counted once, and the repeats of them on the wire. */
  changes: { versions: number; repeatsOnWire: number; gaps: number; twoContents: number }
  alerts: {
    owed: number
    delivered: number
    lost: number
    /** Answered 2xx more than once. */
    doubled: number
    /** Sent although no change owes them. */
    unowed: number
    unverified: number
    withoutReceipt: number
    givenUp: number
  }
}

const finals = ['APPROVED', 'REJECTED', 'CANCELLED']

/** Adds up what a run has left behind. `outcomes` are the processor's books, summed over the partitions. */
export function balanceOf(facts: RunFacts, outcomes: Readonly<Record<string, number>>): Balance {
  const owed = new Set(facts.changes.flatMap((change) => alertsOwed(change, facts.endpoints)))
  const delivered = countBy(
    facts.deliveries.filter(({ verified, answered }) => verified && answered >= 200 && answered < 300),
    ({ webhookId }) => webhookId ?? '',
  )
  const settled = new Map(facts.receipts.map((receipt) => [receipt.alertId, receipt]))
  const sends = new Map(facts.sent.map((line) => [line.sendId, line]))
  const kinds = countBy([...sends.values()], ({ kind }) => kind)
  return {
    sent: {
      attempts: facts.sent.length,
      notifications: sends.size,
      duplicates: kinds.get('duplicate') ?? 0,
      late: kinds.get('late') ?? 0,
    },
    acknowledged: facts.sent.filter(isAcknowledged).length,
    inKafka: facts.raw.length,
    acknowledgedMissing: acknowledgedMissing(facts),
    outcomes,
    changes: versionsOf(facts.changes),
    alerts: {
      owed: owed.size,
      delivered: [...delivered.keys()].filter((id) => owed.has(id)).length,
      lost: [...owed].filter((id) => !delivered.has(id)).length,
      doubled: [...delivered.values()].filter((times) => times > 1).length,
      unowed: [...delivered.keys()].filter((id) => !owed.has(id)).length,
      unverified: facts.deliveries.filter(({ verified }) => !verified).length,
      withoutReceipt: [...owed].filter((id) => !settled.has(id)).length,
      givenUp: [...settled.values()].filter(({ outcome }) => outcome === 'given_up').length,
    },
  }
}

/** What does not add up, in words; empty when the balance holds. */
export function imbalances(balance: Balance): string[] {
  const outcomes = outcomesOf(balance)
  const { changes, alerts } = balance
  const checks: [boolean, string][] = [
    [balance.sent.notifications > 0, 'nothing was sent'],
    [
      balance.acknowledgedMissing === 0,
      `${balance.acknowledgedMissing} acknowledged notifications are not in Kafka`,
    ],
    [outcomes === balance.inKafka, `${balance.inKafka} raw records have ${outcomes} outcomes`],
    [changes.gaps === 0, `${changes.gaps} versions do not follow their predecessor by one`],
    [changes.twoContents === 0, `${changes.twoContents} versions have two contents`],
    [alerts.owed > 0, 'no alert was owed'],
    [alerts.lost === 0, `${alerts.lost} alerts are lost`],
    [alerts.doubled === 0, `${alerts.doubled} alerts were delivered twice`],
    [alerts.unowed === 0, `${alerts.unowed} alerts were sent that no change owes`],
    [alerts.unverified === 0, `${alerts.unverified} webhooks did not verify`],
    [alerts.withoutReceipt === 0, `${alerts.withoutReceipt} alerts have no receipt`],
    [alerts.givenUp === 0, `${alerts.givenUp} alerts were given up`],
  ]
  return checks.flatMap(([holds, problem]) => (holds ? [] : [problem]))
}

/** How many raw records have their outcome. */
export function outcomesOf(balance: Balance): number {
  return sum(Object.values(balance.outcomes))
}

/** Whether the sender may count a notification as received: a signed S whose signature holds. */
export function isAcknowledged(line: { resultStatus: string | null; answerVerified: boolean }): boolean {
  return line.resultStatus === 'S' && line.answerVerified
}

/** Every S must have its own record: the same bytes acknowledged twice must be in the log twice. */
function acknowledgedMissing(facts: RunFacts): number {
  const stored = countBy(facts.raw, ({ headers, bodySha256 }) =>
    [headers.clientId, headers.requestTime, bodySha256].join(' '),
  )
  const acknowledged = countBy(facts.sent.filter(isAcknowledged), ({ clientId, requestTime, bodySha256 }) =>
    [clientId, requestTime, bodySha256].join(' '),
  )
  return sum([...acknowledged].map(([id, times]) => Math.max(0, times - (stored.get(id) ?? 0))))
}

function versionsOf(changes: readonly RegistrationChange[]): Balance['changes'] {
  const contents = new Map<string, Map<number, Set<string>>>()
  for (const change of changes) {
    const versions = contents.get(registrationKey(change.registration)) ?? new Map<number, Set<string>>()
    contents.set(registrationKey(change.registration), versions)
    versions.set(change.version, (versions.get(change.version) ?? new Set()).add(JSON.stringify(change)))
  }
  const all = [...contents.values()]
  const versions = sum(all.map((perVersion) => perVersion.size))
  return {
    versions,
    repeatsOnWire: changes.length - versions,
    gaps: sum(all.map((perVersion) => Math.max(...perVersion.keys()) - perVersion.size)),
    twoContents: sum(all.map((perVersion) => [...perVersion.values()].filter((set) => set.size > 1).length)),
  }
}

/** The ids of the alerts that a change owes, worked out here from the rule and not with the service's code. */
function alertsOwed(change: RegistrationChange, endpoints: RunFacts['endpoints']): string[] {
  const entered = change.entries.some(
    ({ status, previousStatus }) => finals.includes(status) && status !== previousStatus,
  )
  const completed = change.collectiveStatus === 'COMPLETED' && change.previousCollectiveStatus !== 'COMPLETED'
  if (!entered && !completed) return []
  const { clientId, referenceMerchantId } = change.registration
  return endpoints
    .filter((endpoint) => endpoint.clientId === clientId)
    .filter((endpoint) => endpoint.merchant === '*' || endpoint.merchant === referenceMerchantId)
    .map(({ id }) =>
      alertId({
        subject: registrationKey(change.registration),
        version: change.version,
        endpointId: id,
      }),
    )
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1)
  return counts
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
