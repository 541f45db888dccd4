import { endpointKey } from '@signalbox/contracts/endpoint-record'
import { registrationKey } from '@signalbox/contracts/keys'
import { expect, test } from 'vitest'
import { alertOfObligation, endpointSubject, obligationOf, owedAlert, registrationOf } from './owed-alert.ts'

const where = { partition: 3, owedSinceMs: 1_700_000_000_000 }

test.each([
  ['a', 'b', null, ''],
  ['5X00/1', 'Bäckerei | 7', 'store 1', 'Zm9vYmFy-_0'],
  ['*', '%2F', '|', ''],
])(
  'an obligation and its ids come back the same for client %j, merchant %j, store %j, variant %j',
  (client, merchant, store, variant) => {
    const registration = { clientId: client, referenceMerchantId: merchant, referenceStoreId: store }
    const subject = registrationKey(registration)
    const alert = owedAlert({ subject, version: 12, endpointId: 'till_1-b', variant, ...where })
    expect(alertOfObligation(obligationOf(alert), where)).toEqual(alert)
    expect(registrationOf(alert.subject)).toEqual(registration)
  },
)

test('an alert about an endpoint is never taken for one about a store that is called like it', () => {
  const endpoint = { clientId: 'a', merchant: 'b', endpointId: 'till' }
  const subject = endpointSubject(endpointKey(endpoint))
  const store = registrationKey({ clientId: 'a', referenceMerchantId: 'b', referenceStoreId: 'till' })
  const of = { version: 1, endpointId: 'operators', variant: '', ...where }
  const alert = owedAlert({ ...of, subject })
  expect(registrationOf(subject)).toBeNull()
  expect(alertOfObligation(obligationOf(alert), where)).toEqual(alert)
  expect(alert.id).not.toBe(owedAlert({ ...of, subject: store }).id)
})

test('an alert has this id, for ever', () => {
  const of = { subject: 'client/merchant/', version: 2, endpointId: 'one', variant: '', ...where }
  expect(owedAlert(of).id).toBe('a-R5LLjMxelkjz20UJfwWncP')
})
