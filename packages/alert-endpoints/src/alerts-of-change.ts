import { createHash } from 'node:crypto'
import {
  type AlertBody,
  type AlertEvent,
  maxAlertBodyBytes,
  type RegistrationChangedBody,
} from '@signalbox/contracts/alert'
import { registrationKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { RegistrationChange } from '@signalbox/contracts/registration-change'
import { type Endpoint, isOwed, listensTo } from './endpoint.ts'

/** What some records owe: bodies, each once, and who is to get which. */
export type AlertsOwed = {
  bodies: { subject: string; version: number; variant: string; body: string }[]
  alerts: {
    subject: string
    version: number
    endpointId: string
    variant: string
    /** Older versions of the subject need not be sent there any more. */
    isLatest: boolean
  }[]
}

/** A change with its `ce_time`. */
export type CausedChange = { change: RegistrationChange; causedAt: string }

const eventOfFinal = new Map<string, AlertEvent['type']>([
  ['APPROVED', 'entry.approved'],
  ['REJECTED', 'entry.rejected'],
  ['CANCELLED', 'entry.cancelled'],
])

/**
 * Who is told what about a change: of these endpoints of its merchant, those that are owed what happens at its time and
 * hear of an event of it. A function of the change and the endpoints alone, so a change that comes again makes the same
 * bytes. An operators' endpoint that hears of no event is told of the flags that stand.
 */
export function alertsOfChange(
  { change, causedAt }: CausedChange,
  endpoints: readonly Endpoint[],
): AlertsOwed {
  const subject = registrationKey(change.registration)
  const { version } = change
  const events = eventsOf(change)
  const atMs = Date.parse(causedAt)
  const bodies = new Map<string, string>()
  const alerts = endpoints.flatMap((endpoint) => {
    if (!isOwed(endpoint, atMs)) return []
    const body = bodyFor(endpoint, { change, causedAt, events })
    if (body === null) return []
    bodies.set(body.variant, body.text)
    const { endpointId, skipsSuperseded: isLatest } = endpoint
    return [{ subject, version, endpointId, variant: body.variant, isLatest }]
  })
  return {
    bodies: [...bodies].map(([variant, body]) => ({ subject, version, variant, body })),
    alerts,
  }
}

/**
 * What merchants are told of a change: that an entry enters, changes or leaves a final, or that the collective status
 * becomes COMPLETED.
 */
export function eventsOf(change: RegistrationChange): AlertEvent[] {
  return [...change.entries.flatMap(entryEvents), ...collectiveEvents(change)]
}

/** An entry that is open again is told along with other news, and is no news that a merchant waits for. */
export function isNews({ type }: AlertEvent): boolean {
  return type !== 'entry.reopened'
}

type Told = CausedChange & { events: readonly AlertEvent[] }

function bodyFor(endpoint: Endpoint, { change, causedAt, events }: Told): Variant | null {
  const heard = events.filter((event) => listensTo(endpoint, event))
  const asksForReopened = endpoint.filters.eventTypes?.includes('entry.reopened') ?? false
  const flags = endpoint.audience === 'operator' ? change.flags : []
  const { registration, version, collectiveStatus: collective } = change
  if (heard.some((event) => asksForReopened || isNews(event))) {
    const data = { registration, version, collective, events: heard }
    const withFlags = flags.length === 0 ? data : { ...data, flags }
    const isWhole = heard.length === events.length && flags.length === 0
    return variantOf({ type: 'registration.changed', timestamp: causedAt, data: withFlags }, { isWhole })
  }
  const flagged = { type: 'registration.flagged', pspName: null, productCode: null }
  if (flags.length === 0 || !listensTo(endpoint, flagged)) return null
  const data = { registration, version, collective, flags }
  return variantOf({ type: 'registration.flagged', timestamp: causedAt, data }, { isWhole: false })
}

type Variant = { variant: string; text: string }

/** A body with all events and no more is the variant ''; any other is named by its content. */
function variantOf(body: AlertBody, { isWhole }: { isWhole: boolean }): Variant {
  const text = textOf(body)
  const variant = isWhole ? '' : createHash('sha256').update(text).digest('base64url').slice(0, 11)
  return { variant, text }
}

function textOf(body: AlertBody): string {
  const text = JSON.stringify(body)
  const isTooLong = Buffer.byteLength(text) > maxAlertBodyBytes
  return isTooLong && body.type === 'registration.changed' ? firstPageOf(body) : text
}

/** The first events that fit, and where the whole registration can be read. */
function firstPageOf({ type, timestamp, data }: RegistrationChangedBody): string {
  const paged = (events: readonly AlertEvent[]) => {
    const eventsTotal = data.events.length
    const next = linkTo(data.registration)
    return JSON.stringify({ type, timestamp, data: { ...data, events, eventsTotal, next } })
  }
  let left = maxAlertBodyBytes - Buffer.byteLength(paged([]))
  // One more for the comma before it.
  const tooMany = data.events.findIndex((event) => {
    left -= Buffer.byteLength(JSON.stringify(event)) + 1
    return left < 0
  })
  return paged(data.events.slice(0, tooMany === -1 ? data.events.length : tooMany))
}

function linkTo({ clientId, referenceMerchantId, referenceStoreId }: RegistrationRef): string {
  const store = referenceStoreId === null ? {} : { referenceStoreId }
  const query = new URLSearchParams({ clientId, referenceMerchantId, ...store })
  return `/v1/registrations?${query.toString()}`
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
