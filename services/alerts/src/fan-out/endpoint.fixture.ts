import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'

/** An active webhook of a merchant, unless told otherwise. */
export function endpointOf(differs: Partial<Endpoint> = {}): Endpoint {
  const longAgo = '2025-01-01T00:00:00.000Z'
  return {
    endpointId: 'one',
    clientId: 'client',
    merchant: 'merchant',
    revision: 1,
    audience: 'merchant',
    target: { type: 'webhook', url: 'https://merchant.example/', headers: {} },
    filters: { eventTypes: null, pspNames: null, productCodes: null },
    limits: { ratePerSecond: null, concurrency: null },
    skipsSuperseded: false,
    keepsResponses: false,
    state: 'active',
    reason: null,
    activeFrom: longAgo,
    secrets: [],
    createdAt: longAgo,
    changedAt: longAgo,
    history: [],
    ...differs,
  }
}
