import assert from 'node:assert/strict'
import {
  changeEndpoint,
  type ChangeContext,
  type Endpoint,
  type EndpointChange,
  type EndpointSettings,
  standardSettings,
} from './endpoint.ts'

export const url = 'https://merchant.example/hook'
export const startMs = Date.parse('2026-03-01T10:00:00.000Z')
export const isoOf = (ms: number) => new Date(ms).toISOString()

export const webhookSettings = (differs: Partial<EndpointSettings> = {}): EndpointSettings => ({
  ...standardSettings,
  target: { type: 'webhook', url, headers: {} },
  ...differs,
})

export const creation = (differs: object = {}) =>
  ({
    kind: 'create',
    endpointId: 'one',
    clientId: 'client',
    merchant: 'M1',
    settings: webhookSettings(),
    secret: { secretId: 's1', sealed: 'v1.k.sealed-1' },
    ...differs,
  }) as const

/** What a change that has to be possible makes of an endpoint. */
export function changedBy(
  known: Endpoint | null,
  change: EndpointChange,
  context: Partial<ChangeContext> = {},
): Endpoint {
  const decision = changeEndpoint(known, change, { nowMs: startMs, by: 'test', ...context })
  assert(decision.kind === 'changed', `${change.kind} changes the endpoint, not: ${JSON.stringify(decision)}`)
  return decision.next
}

export const unverified = () => changedBy(null, creation())
export const active = () =>
  changedBy(unverified(), { kind: 'verify', address: url }, { nowMs: startMs + 1_000 })
export const disabled = (reason: 'by_operator' | 'gone' | 'failing' | 'unsubscribed') =>
  changedBy(active(), { kind: 'disable', reason }, { nowMs: startMs + 2_000 })
export const deleted = () => changedBy(active(), { kind: 'delete' }, { nowMs: startMs + 3_000 })
