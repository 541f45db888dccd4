import { naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import { describe, expect, test } from 'vitest'
import { createSample, sampleBody } from './samples.ts'

const nowMs = Date.UTC(2026, 4, 3)

describe.each(['alipayplus', 'ams'] as const)('the documented %s sample', (dialect) => {
  const { send, truth } = createSample({ clientId: 'SANDBOX_5X00000000000000', dialect }, nowMs)

  test('names the ids that the send tells', () => {
    expect(JSON.parse(sampleBody(dialect).toString())).toMatchObject({
      referenceMerchantId: send.merchant,
      referenceStoreId: send.store,
      registrationRequestId: send.round,
    })
  })

  test('makes the truth by the rules of state', () => {
    const { clientId, requestTimeMs } = send
    const body = send.body.toString()
    const verdict = naiveOracle([
      { body, clientId, dialect, push: false, requestTimeMs, appendTimeMs: nowMs },
    ])
    const { collectiveStatus, entries } = truth
    expect([...verdict.final.values()]).toEqual([
      { version: 1, collectiveStatus, entries, flags: [], erasedAtMs: null },
    ])
  })
})

test('the AMS sample stands as plain JSON with asterisks', () => {
  expect(sampleBody('ams').toString()).toContain('"referenceMerchantId": "218812000019****"')
})
