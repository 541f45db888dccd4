import { createSignature, verifySignature } from '@signalbox/alipay/signature'
import { parsePublicKey } from '@signalbox/alipay/keys'
import { expect, test } from 'vitest'
import { createDearKeyPair } from './dear-key.ts'

test.each([2, 20, 100])('a key that is %d times as dear is a key like any other', async (verifyCost) => {
  const { privateKey, publicKey } = await createDearKeyPair({ verifyCost })
  const bits = (publicKey.asymmetricKeyDetails?.publicExponent ?? 0n).toString(2).length
  expect(bits).toBe(verifyCost * 17)
  const text = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  expect(parsePublicKey(text).kind).toBe('key')
  const parts = { uri: '/notify', clientId: 'C', time: '1', body: Buffer.from('{}') }
  const signature = await createSignature(parts, privateKey)
  expect(verifySignature(parts, signature, publicKey)).toBe(true)
  expect(verifySignature({ ...parts, time: '2' }, signature, publicKey)).toBe(false)
})
