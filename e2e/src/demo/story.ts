import { registrationKey } from '@signalbox/contracts/keys'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import type { DeliveryLine } from '@signalbox/contracts/simulator-files'
import { z } from 'zod'
import type { Balance } from '../balance.ts'
import type { RawFact, RunFacts } from '../run-facts.ts'

const said = z.object({
  referenceMerchantId: z.string(),
  referenceStoreId: z.string().nullish(),
  registrationRequestId: z.string().nullish(),
  registrationResult: z.object({ registrationStatus: z.string().nullish() }).nullish(),
  pspRegistrationResultList: z
    .array(
      z.object({
        pspName: z.string(),
        registrationResult: z.object({ registrationStatus: z.string().nullish() }).nullish(),
      }),
    )
    .nullish(),
})

/** The history of one merchant's registration, a line a notification, in the order in which they arrived. */
export function tellHistory(facts: RunFacts, registration: RegistrationChange['registration']): string[] {
  const key = registrationKey(registration)
  const changes = new Map(
    facts.changes
      .filter((change) => registrationKey(change.registration) === key)
      .map((change) => [change.cause.notificationId, change]),
  )
  const seen = new Set<string>()
  return recordsOf(facts, registration).map((fact) => {
    const change = changes.get(fact.headers.notificationId)
    const repeated = seen.has(fact.bodySha256)
    seen.add(fact.bodySha256)
    const nothing = repeated ? 'said before, nothing changes' : 'an older snapshot, nothing changes'
    const effect = change === undefined ? nothing : `version ${change.version}: ${tellChange(change)}`
    const signedAt = new Date(fact.headers.requestTimeMs).toISOString()
    return `  signed ${signedAt}  ${tellSaid(fact)}\n      → ${effect}`
  })
}

/** The registration whose history shows most: repeats and old snapshots among changes, but not too long. */
export function mostTelling(facts: RunFacts): RegistrationChange['registration'] {
  const ranked = [
    ...new Map(facts.changes.map((change) => [registrationKey(change.registration), change])).values(),
  ]
    .map(({ registration }) => ({ registration, records: recordsOf(facts, registration).length }))
    .filter(({ records }) => records <= 9)
    .toSorted((a, b) => b.records - a.records)
  const [first] = ranked
  if (first === undefined) throw new Error('no registration has changed')
  return first.registration
}

/** A webhook as the merchant received it. */
export function tellDelivery(delivery: DeliveryLine): string[] {
  const shown = ['content-type', 'webhook-id', 'webhook-timestamp', 'webhook-signature']
  const body: unknown = JSON.parse(delivery.body)
  return [
    ...shown.map((name) => `  ${name}: ${delivery.headers[name] ?? '(missing)'}`),
    ...JSON.stringify(body, null, 2)
      .split('\n')
      .map((line) => `  ${line}`),
    `  signature ${delivery.verified ? 'verified' : 'NOT VERIFIED'} with the published standardwebhooks library`,
  ]
}

/** The books of the run. */
export function tellBalance(balance: Balance, states: { checked: number; wrong: number }): string[] {
  const { sent, changes, alerts } = balance
  const outcomes = Object.entries(balance.outcomes).map(([outcome, count]) => `${outcome} ${count}`)
  return [
    [
      'sent',
      `${sent.notifications} notifications (${sent.duplicates} duplicates, ${sent.late} late) in ${sent.attempts} attempts`,
    ],
    ['acknowledged', `${balance.acknowledged} with a signed S that verifies`],
    ['in Kafka', `${balance.inKafka}, acknowledged but missing ${balance.acknowledgedMissing}`],
    ['outcomes', outcomes.join(', ')],
    ['changes', `${changes.versions} versions, ${changes.repeatsOnWire} repeated on the wire`],
    ['alerts owed', `${alerts.owed}`],
    ['delivered', `${alerts.delivered}, lost ${alerts.lost}, doubled ${alerts.doubled}`],
    ['final states', `${states.checked} compared with the simulator's truth, wrong ${states.wrong}`],
  ].map(([name = '', value = '']) => `  ${name.padEnd(14)}${value}`)
}

function recordsOf(facts: RunFacts, registration: RegistrationChange['registration']): RawFact[] {
  return facts.raw
    .filter(({ headers }) => headers.clientId === registration.clientId)
    .filter((fact) => {
      const body = saidBy(fact)
      return (
        body.referenceMerchantId === registration.referenceMerchantId &&
        (body.referenceStoreId ?? null) === registration.referenceStoreId
      )
    })
    .toSorted((a, b) => Number(a.record.offset - b.record.offset))
}

function saidBy(fact: RawFact) {
  return said.parse(JSON.parse(fact.body.toString('utf8')))
}

function tellSaid(fact: RawFact): string {
  const body = saidBy(fact)
  const entries = (body.pspRegistrationResultList ?? []).map(
    ({ pspName, registrationResult }) =>
      `${pspName} ${registrationResult?.registrationStatus ?? 'no answer'}`,
  )
  return `${body.registrationResult?.registrationStatus ?? 'no status'}: ${entries.join(', ') || 'no MPP has answered'}`
}

function tellChange(change: RegistrationChange): string {
  const entries = change.entries
    .filter(({ status, previousStatus }) => status !== previousStatus)
    .map(({ pspName, productCode, status, rejectionReason }) => {
      const reason = rejectionReason === null ? '' : ` (${rejectionReason})`
      return `${pspName}/${productCode} ${status}${reason}`
    })
  const collective =
    change.collectiveStatus === change.previousCollectiveStatus
      ? []
      : [`collective ${change.collectiveStatus}`]
  return [...entries, ...collective].join(', ') || 'details changed'
}
