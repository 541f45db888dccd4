import { registrationKey } from '@signalbox/contracts/keys'
import { expect, test } from 'vitest'
import { alertOfObligation, obligationOf, owedAlert, registrationOf } from './owed-alert.ts'

test.each([
  ['a', 'b', null],
  ['5X00/1', 'Bäckerei | 7', 'store 1'],
  ['*', '%2F', '|'],
])(
  'an obligation and its ids come back the same for client %j, merchant %j, store %j',
  (client, merchant, store) => {
    const registration = { clientId: client, referenceMerchantId: merchant, referenceStoreId: store }
    const alert = owedAlert({
      registrationKey: registrationKey(registration),
      version: 12,
      endpointId: 'till_1-b',
      partition: 3,
      owedSinceMs: 1_700_000_000_000,
    })
    const where = { partition: 3, owedSinceMs: 1_700_000_000_000 }
    expect(alertOfObligation(obligationOf(alert), where)).toEqual(alert)
    expect(registrationOf(alert.registrationKey)).toEqual(registration)
  },
)
