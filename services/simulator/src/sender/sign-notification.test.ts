import { generateKeyPairSync } from 'node:crypto'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRandom } from '../history/random.ts'
import { createQuirks, documentedSender } from '../history/sender-quirks.ts'
import { signNotification } from './sign-notification.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const client = {
  clientId: 'SANDBOX_5X00000000000000',
  dialect: 'alipayplus' as const,
  path: '/alipayplus/notifyRegistrationStatus',
  keyVersion: '1',
  privateKey,
  acquirerKeys: new Map(),
}
const body = Buffer.from('{"referenceMerchantId":"店"}')

test('a notification verifies whatever the quirks of its sender', async () => {
  const anyQuirks = fc
    .record({ seed: fc.nat(), dialect: fc.constantFrom('alipayplus' as const, 'ams' as const) })
    .map(({ seed, dialect }) => createQuirks(createRandom(seed), dialect))
  await fc.assert(
    fc.asyncProperty(anyQuirks, async (quirks) => {
      const signed = await signNotification(client, { body, requestTimeMs: 1_685_599_933_871, quirks })
      const headers = new Map(signed.headers.map(([name, value]) => [name.toLowerCase(), value]))
      const header = parseSignatureHeader(headers.get('signature') ?? '')
      const parts = {
        uri: signed.path,
        clientId: headers.get('client-id') ?? '',
        time: headers.get('request-time') ?? '',
        body: signed.body,
      }
      expect(header && verifySignature(parts, header.signature, publicKey)).toBe(true)
    }),
  )
})

test('the documented sender has the documented headers', async () => {
  const signed = await signNotification(client, {
    body,
    requestTimeMs: 1_685_599_933_871,
    quirks: documentedSender,
  })
  expect(signed.headers.map(([name]) => name)).toEqual([
    'Content-Type',
    'Client-Id',
    'Request-Time',
    'Signature',
  ])
  expect(signed.requestTime).toBe('2023-06-01T11:42:13.871+05:30')
})
