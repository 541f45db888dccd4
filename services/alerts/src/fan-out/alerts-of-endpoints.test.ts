import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import { alertBody } from '@signalbox/contracts/alert'
import { endpointMerchantKey } from '@signalbox/contracts/endpoint-record'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { expect, test } from 'vitest'
import { createAlertsOfEndpoints } from './alerts-of-endpoints.ts'
import { endpointOf } from './endpoint.fixture.ts'

const changedAt = '2026-01-02T03:04:05.678Z'

function recordOf(endpoint: Endpoint | null): ConsumedRecord {
  const value = endpoint === null ? null : Buffer.from(JSON.stringify(endpoint))
  const at = { topic: 'endpoints', partition: 0, offset: 7n, timestampMs: 0 }
  return { ...at, key: 'key', value, headers: new Map(), bytes: 0 }
}

const entry = (action: string, detail: string | null) => [{ at: changedAt, by: 'alerts', action, detail }]

const failing = endpointOf({ endpointId: 'till', revision: 9, changedAt, history: entry('warned', '75') })
const operators = endpointOf({ endpointId: 'operators', audience: 'operator', merchant: '*' })

const tell = (endpoint: Endpoint | null, listening: readonly Endpoint[]) =>
  createAlertsOfEndpoints({
    endpoints: {
      ofMerchants: async (merchants) =>
        new Map(
          merchants.map(({ clientId, referenceMerchantId: merchant }) => [
            endpointMerchantKey({ clientId, merchant }),
            listening,
          ]),
        ),
    },
  })([recordOf(endpoint)])

test('operators hear once of a warning, with the revision and what it says', async () => {
  const { bodies, alerts } = await tell(failing, [operators, endpointOf({ endpointId: 'merchant' })])
  const of = { subject: 'endpoint:client/merchant/till', version: 9, variant: '' }
  expect(alerts).toEqual([{ ...of, endpointId: 'operators', isLatest: false }])
  expect(bodies).toEqual([{ ...of, body: expect.any(String) as unknown }])
  expect(alertBody.parse(JSON.parse(bodies[0]?.body ?? ''))).toEqual({
    type: 'endpoint.warned',
    timestamp: changedAt,
    data: {
      endpoint: { endpointId: 'till', clientId: 'client', merchant: 'merchant' },
      revision: 9,
      reason: null,
      detail: '75',
    },
  })
})

test.each([
  ['disabled', 'endpoint.disabled'],
  ['enabled', 'endpoint.enabled'],
  ['recovered', 'endpoint.enabled'],
])('one that was %s is told of as %s', async (action, type) => {
  const { bodies } = await tell({ ...failing, history: entry(action, null) }, [operators])
  expect(bodies.map(({ body }) => alertBody.parse(JSON.parse(body)).type)).toEqual([type])
})

const unconfirmed = endpointOf({
  endpointId: 'mail',
  revision: 4,
  changedAt,
  state: 'unverified',
  activeFrom: null,
  target: { type: 'email', address: 'a@merchant.example' },
  history: entry('created', null),
})

test.each([
  ['is made', entry('created', null)],
  ['has another address', entry('updated', 'target, limits')],
  ['is to be asked once more', entry('verification_requested', null)],
])(
  'an unconfirmed address gets a question of its own when its endpoint %s, and no operator does',
  async (_, history) => {
    const { bodies, alerts } = await tell({ ...unconfirmed, history }, [operators])
    const of = { subject: 'endpoint:client/merchant/mail', version: 4, variant: 'verification' }
    expect(alerts).toEqual([{ ...of, endpointId: 'mail', isLatest: false }])
    expect(bodies).toEqual([{ ...of, body: expect.any(String) as unknown }])
    expect(bodies[0]?.body).not.toContain('@')
    expect(alertBody.parse(JSON.parse(bodies[0]?.body ?? ''))).toEqual({
      type: 'endpoint.verification',
      timestamp: changedAt,
      data: { endpoint: { endpointId: 'mail', clientId: 'client', merchant: 'merchant' }, revision: 4 },
    })
  },
)

test('one enabled before its address was confirmed is asked about, and operators hear that it is enabled', async () => {
  const { bodies, alerts } = await tell({ ...unconfirmed, history: entry('enabled', null) }, [operators])
  expect(alerts.map(({ endpointId, variant }) => [endpointId, variant])).toEqual([
    ['operators', ''],
    ['mail', 'verification'],
  ])
  expect(bodies.map(({ variant }) => variant)).toEqual(['', 'verification'])
})

test.each<[string, Partial<Endpoint>]>([
  ['is confirmed', { state: 'active', activeFrom: changedAt, history: entry('verified', null) }],
  ['has other settings', { history: entry('updated', 'limits') }],
  ['is stopped', { state: 'disabled', reason: 'by_operator' }],
  ['is a webhook', { target: { type: 'webhook', url: 'https://merchant.example/', headers: {} } }],
])('nobody is asked about one that %s', async (_, differs) => {
  expect(await tell({ ...unconfirmed, ...differs }, [])).toEqual({ bodies: [], alerts: [] })
})

test.each([
  ['an update', { ...failing, history: entry('updated', 'limits') }, operators],
  ['an endpoint that was taken out', null, operators],
  ['itself', failing, { ...operators, endpointId: 'till' }],
  ['what happened before it was active', failing, { ...operators, activeFrom: '2026-01-03T00:00:00Z' }],
  [
    'what it filters out',
    failing,
    { ...operators, filters: { ...operators.filters, eventTypes: ['endpoint.disabled'] } },
  ],
])('an endpoint of operators does not hear of %s', async (_, endpoint, listening) => {
  expect(await tell(endpoint, [listening])).toEqual({ bodies: [], alerts: [] })
})
