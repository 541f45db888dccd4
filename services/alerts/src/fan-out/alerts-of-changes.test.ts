import { alertsOfChange } from '@signalbox/alert-endpoints/alerts-of-change'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import { alertBody } from '@signalbox/contracts/alert'
import { expect, test } from 'vitest'
import { changeOf, entryOf } from './change.fixture.ts'
import { endpointOf } from './endpoint.fixture.ts'

const causedAt = '2026-01-02T03:04:05.678Z'

type Differs = Parameters<typeof changeOf>[0]

/** What endpoints are owed of a change, each with its body. */
function owedTo(differs: Differs, ...endpoints: Partial<Endpoint>[]) {
  const known = endpoints.map((endpoint, index) => endpointOf({ endpointId: `e${index}`, ...endpoint }))
  const { bodies, alerts } = alertsOfChange({ change: changeOf(differs), causedAt }, known)
  return alerts.map(({ endpointId, variant }) => ({
    endpointId,
    variant,
    text: bodies.find((body) => body.variant === variant)?.body ?? '',
  }))
}

/** The types of the events that an endpoint hears of; null for no alert. */
function eventsOf(differs: Differs, endpoint: Partial<Endpoint> = {}) {
  const [alert] = owedTo(differs, endpoint)
  if (alert === undefined) return null
  const body = alertBody.parse(JSON.parse(alert.text))
  return body.type === 'registration.changed' ? body.data.events.map(({ type }) => type) : [body.type]
}

const filters = (of: Partial<Endpoint['filters']>) => ({
  filters: { eventTypes: null, pspNames: null, productCodes: null, ...of },
})

test.each([
  ['enters APPROVED', { status: 'APPROVED', previousStatus: 'PENDING' }, ['entry.approved']],
  ['is new and APPROVED', { status: 'APPROVED', previousStatus: null }, ['entry.approved']],
  ['enters REJECTED', { status: 'REJECTED', previousStatus: 'PENDING' }, ['entry.rejected']],
  ['enters CANCELLED', { status: 'CANCELLED', previousStatus: 'PENDING' }, ['entry.cancelled']],
  ['changes its final', { status: 'CANCELLED', previousStatus: 'APPROVED' }, ['entry.cancelled']],
  ['keeps its final', { status: 'APPROVED', previousStatus: 'APPROVED' }, null],
  ['stays PENDING', { status: 'PENDING', previousStatus: 'PENDING' }, null],
  ['is new and PENDING', { status: 'PENDING', previousStatus: null }, null],
  ['is open again', { status: 'PENDING', previousStatus: 'REJECTED' }, null],
  ['has a status of a later version', { status: 'SUSPENDED', previousStatus: 'APPROVED' }, null],
])('an entry that %s', (_, entry, events) => {
  expect(eventsOf({ entries: [entryOf(entry)] })).toEqual(events)
})

test.each([
  ['becomes COMPLETED', 'PENDING', 'COMPLETED', ['collective.completed']],
  ['is COMPLETED from the start', null, 'COMPLETED', ['collective.completed']],
  ['stays COMPLETED', 'COMPLETED', 'COMPLETED', null],
  ['goes back to PENDING', 'COMPLETED', 'PENDING', null],
  ['is not reported', null, null, null],
])('a collective status that %s', (_, previousCollectiveStatus, collectiveStatus, events) => {
  expect(eventsOf({ entries: [], previousCollectiveStatus, collectiveStatus })).toEqual(events)
})

test('an entry that is open again is told along with other news', () => {
  const entries = [entryOf({ status: 'PENDING', previousStatus: 'REJECTED' }), entryOf({ productCode: 'X' })]
  expect(eventsOf({ entries })).toEqual(['entry.reopened', 'entry.approved'])
})

test('a change of flags or of a reason alone alerts nobody', () => {
  const same = entryOf({ status: 'REJECTED', previousStatus: 'REJECTED', rejectionReason: 'another text' })
  expect(eventsOf({ entries: [same], flags: ['reversal'] })).toBeNull()
})

test('the body is this text, byte for byte', () => {
  const rejected = entryOf({
    productCode: 'IN_STORE_PAYMENT',
    status: 'REJECTED',
    rejectionReason: 'unleserlich é',
  })
  const owed = owedTo({ entries: [entryOf(), rejected], collectiveStatus: 'COMPLETED' }, {})
  expect(owed).toHaveLength(1)
  expect(owed[0]?.variant).toBe('')
  expect(owed[0]?.text).toBe(
    '{"type":"registration.changed","timestamp":"2026-01-02T03:04:05.678Z","data":{' +
      '"registration":{"clientId":"client","referenceMerchantId":"merchant","referenceStoreId":null},' +
      '"version":2,"collective":"COMPLETED","events":[' +
      '{"type":"entry.approved","pspName":"ALIPAY_CN","productCode":"CASHIER_PAYMENT","status":"APPROVED",' +
      '"previousStatus":"PENDING","rejectionReason":null},' +
      '{"type":"entry.rejected","pspName":"ALIPAY_CN","productCode":"IN_STORE_PAYMENT","status":"REJECTED",' +
      '"previousStatus":"PENDING","rejectionReason":"unleserlich é"},' +
      '{"type":"collective.completed","pspName":null,"productCode":null,"status":"COMPLETED",' +
      '"previousStatus":"PENDING","rejectionReason":null}]}}',
  )
})

test.each([
  ['by event type', filters({ eventTypes: ['entry.rejected'] }), ['entry.rejected']],
  [
    'by PSP; what is about no entry passes',
    filters({ pspNames: ['GCASH'] }),
    ['entry.rejected', 'collective.completed'],
  ],
  ['by product', filters({ productCodes: ['CASHIER_PAYMENT'] }), ['entry.approved', 'collective.completed']],
  ['to nothing', filters({ eventTypes: ['entry.cancelled'] }), null],
])('filters keep the events that they let through: %s', (_, endpoint, events) => {
  const entries = [
    entryOf(),
    entryOf({ pspName: 'GCASH', productCode: 'IN_STORE_PAYMENT', status: 'REJECTED' }),
  ]
  expect(eventsOf({ entries, collectiveStatus: 'COMPLETED' }, endpoint)).toEqual(events)
})

test('filters that leave only an entry that is open again leave nothing, unless it is asked for', () => {
  const entries = [entryOf({ pspName: 'GCASH', status: 'PENDING', previousStatus: 'REJECTED' }), entryOf()]
  expect(eventsOf({ entries }, filters({ pspNames: ['GCASH'] }))).toBeNull()
  const asked = filters({ pspNames: ['GCASH'], eventTypes: ['entry.reopened'] })
  expect(eventsOf({ entries }, asked)).toEqual(['entry.reopened'])
})

test('endpoints that hear the same share a body, and others have their own', () => {
  const entries = [entryOf(), entryOf({ pspName: 'GCASH' })]
  const owed = owedTo(
    { entries },
    {},
    filters({ pspNames: ['GCASH'] }),
    {},
    filters({ pspNames: ['GCASH', 'X'] }),
  )
  expect(owed.map(({ variant }) => variant)).toEqual(['', owed[1]?.variant, '', owed[1]?.variant])
  expect(owed[1]?.variant).toMatch(/^[A-Za-z0-9_-]{11}$/)
  expect(owed[1]?.text).not.toBe(owed[0]?.text)
})

const yesterday = '2026-01-01T00:00:00.000Z'

test.each([
  ['is active', { state: 'active', reason: null }, true],
  ['fails', { state: 'disabled', reason: 'failing' }, true],
  ['is gone', { state: 'disabled', reason: 'gone' }, false],
  ['was disabled by a person', { state: 'disabled', reason: 'by_operator' }, false],
  ['is not verified', { state: 'unverified', activeFrom: null }, false],
  ['is deleted', { state: 'deleted', target: null, activeFrom: null }, false],
  ['is active from that moment on', { activeFrom: causedAt }, true],
  ['became active a moment later', { activeFrom: '2026-01-02T03:04:05.679Z' }, false],
] as const)('an endpoint that %s', (_, differs, isOwed) => {
  expect(owedTo({}, { activeFrom: yesterday, ...differs }).length > 0).toBe(isOwed)
})

const operator = { audience: 'operator' } as const

test('operators are told of flags along with the events, and merchants are not', () => {
  const [merchants, operators] = owedTo({ flags: ['reversal'] }, {}, operator)
  expect(JSON.parse(merchants?.text ?? '')).not.toHaveProperty('data.flags')
  expect(JSON.parse(operators?.text ?? '')).toMatchObject({
    type: 'registration.changed',
    data: { flags: ['reversal'], events: [{ type: 'entry.approved' }] },
  })
})

test('flags without other news are told to operators who hear of them', () => {
  const change = { entries: [entryOf({ status: 'PENDING' })], flags: ['round_order'] }
  const owed = owedTo(change, {}, operator, { ...operator, ...filters({ eventTypes: ['entry.approved'] }) })
  expect(owed.map(({ endpointId }) => endpointId)).toEqual(['e1'])
  expect(alertBody.parse(JSON.parse(owed[0]?.text ?? ''))).toEqual({
    type: 'registration.flagged',
    timestamp: causedAt,
    data: {
      registration: changeOf().registration,
      version: 2,
      collective: 'PENDING',
      flags: ['round_order'],
    },
  })
  expect(owedTo({ ...change, flags: [] }, operator)).toEqual([])
})

test('of many events a body tells the first that fit into 20,000 bytes, and where the others are', () => {
  const entries = Array.from({ length: 500 }, (_, index) =>
    entryOf({ productCode: `PRODUCT_${index}`, rejectionReason: 'ü'.repeat(index % 50) }),
  )
  const registration = { clientId: 'client', referenceMerchantId: 'Bäckerei/7', referenceStoreId: null }
  const text = owedTo({ entries, registration }, {})[0]?.text ?? ''
  const body = alertBody.parse(JSON.parse(text))
  if (body.type !== 'registration.changed') throw new Error('another type')
  const { events, eventsTotal, next } = body.data
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000)
  expect(Buffer.byteLength(text)).toBeGreaterThan(19_500)
  expect(eventsTotal).toBe(500)
  expect(events.map(({ productCode }) => productCode)).toEqual(
    entries.slice(0, events.length).map(({ productCode }) => productCode),
  )
  const link = new URL(next ?? '', 'http://console')
  expect([link.pathname, Object.fromEntries(link.searchParams)]).toEqual([
    '/v1/registrations',
    { clientId: 'client', referenceMerchantId: 'Bäckerei/7' },
  ])
})
