import { alertBody } from '@signalbox/contracts/alert'
import { expect, test } from 'vitest'
import { alertBodyOf } from './alert-body.ts'
import { changeOf, entryOf } from './change.fixture.ts'

const causedAt = '2026-01-02T03:04:05.678Z'

const eventsOf = (differs: Parameters<typeof changeOf>[0]) => {
  const body = alertBodyOf(changeOf(differs), { causedAt })
  return body === null ? null : alertBody.parse(JSON.parse(body)).data.events.map(({ type }) => type)
}

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
  const body = alertBodyOf(changeOf({ entries: [entryOf(), rejected], collectiveStatus: 'COMPLETED' }), {
    causedAt,
  })
  expect(body).toBe(
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
