import { createHash } from 'node:crypto'
import type { Alert, AlertEvent, RegistrationChanged } from './alert.ts'
import type { Versions } from './seen-store.ts'

/** The mark of the subject as a whole; the other marks are its entries and the collective status. */
const whole = ''

/** How new an alert is, beside what is known of its subject. */
export type Freshness =
  | { kind: 'newer' }
  /** Something newer was here already; `late` is what of it nothing has overtaken, null when that is nothing. */
  | { kind: 'older'; late: RegistrationChanged | null; newestVersion: number }
  | { kind: 'repeat' }

/**
 * An alert tells only what its version has changed. So one that comes late is not void as a whole: each of its
 * events counts until a newer alert has told of the same entry.
 */
export function freshnessOf(alert: Alert, known: Versions): Freshness {
  const version = versionOf(alert)
  const newestVersion = known.get(whole) ?? 0
  if (version > newestVersion) return { kind: 'newer' }
  const late = alert.type === 'registration.changed' ? notOvertaken(alert, known) : null
  return late === null && version === newestVersion
    ? { kind: 'repeat' }
    : { kind: 'older', late, newestVersion }
}

function notOvertaken(alert: RegistrationChanged, known: Versions): RegistrationChanged | null {
  const events = alert.data.events.filter((event) => alert.data.version > (known.get(markOf(event)) ?? 0))
  return events.length === 0 ? null : { ...alert, data: { ...alert.data, events } }
}

/** What is known of the subject when the alert was worked on. */
export function versionsOf(alert: Alert): Versions {
  const events = alert.type === 'registration.changed' ? alert.data.events : []
  return new Map([whole, ...events.map(markOf)].map((mark) => [mark, versionOf(alert)]))
}

function versionOf(alert: Alert): number {
  return 'revision' in alert.data ? alert.data.revision : alert.data.version
}

/** `client/merchant/store` of a registration; `endpoint:` and `client/merchant/endpointId` of an endpoint. */
export function subjectOf({ data }: Alert): string {
  if ('endpoint' in data) {
    const { clientId, merchant, endpointId } = data.endpoint
    return `endpoint:${keyOf([clientId, merchant, endpointId])}`
  }
  const { clientId, referenceMerchantId, referenceStoreId } = data.registration
  return keyOf([clientId, referenceMerchantId, referenceStoreId ?? ''])
}

/** The `webhook-id` that Signalbox gives this alert for this endpoint, and no other. */
export function alertIdOf(alert: Alert, endpointId: string): string {
  const digest = createHash('sha256')
    .update(`${subjectOf(alert)}|${versionOf(alert)}|${endpointId}`)
    .digest('base64url')
  return `a-${digest.slice(0, 22)}`
}

function markOf(event: AlertEvent): string {
  if (event.type === 'unknown_event') return `event:${JSON.stringify(event.sent)}`
  if (event.type === 'collective.completed') return 'collective'
  return `entry:${encodePart(event.pspName)}/${encodePart(event.productCode)}`
}

function keyOf(parts: readonly string[]): string {
  return parts.map(encodePart).join('/')
}

/** RFC 3986 unreserved characters stay, every other byte of UTF-8 becomes `%XX`. */
function encodePart(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
