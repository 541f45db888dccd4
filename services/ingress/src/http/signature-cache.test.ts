import { expect, test } from 'vitest'
import { type AnswerText, createSignatureCache } from './signature-cache.ts'

const text: AnswerText = {
  clientId: 'T_1',
  uri: '/notify',
  responseTime: '2019-07-12T12:08:57+00:00',
  code: 'SUCCESS',
}

function countedSigner() {
  const calls = { count: 0 }
  const sign = async () => `signature ${++calls.count}`
  return { calls, sign }
}

test('whoever asks for the same text meanwhile waits for the same signature', async () => {
  const signatureOf = createSignatureCache({ maxEntries: 10 })
  const { calls, sign } = countedSigner()
  const signatures = await Promise.all(Array.from({ length: 100 }, () => signatureOf(text, sign)))
  expect(new Set(signatures)).toEqual(new Set(['signature 1']))
  expect(await signatureOf(text, sign)).toBe('signature 1')
  expect(calls.count).toBe(1)
})

test.each([
  ['client', { clientId: 'T_2' }],
  ['uri', { uri: '/notify?x' }],
  ['second', { responseTime: '2019-07-12T12:08:58+00:00' }],
  ['code', { code: 'PARAM_ILLEGAL' }],
])('another %s is another signature', async (_, change) => {
  const signatureOf = createSignatureCache({ maxEntries: 10 })
  const { sign } = countedSigner()
  expect(await signatureOf(text, sign)).not.toBe(await signatureOf({ ...text, ...change }, sign))
})

test('it never holds more than its limit, and forgets the oldest first', async () => {
  const signatureOf = createSignatureCache({ maxEntries: 3 })
  const { calls, sign } = countedSigner()
  const uris = ['/1', '/2', '/3', '/4']
  for (const uri of uris) await signatureOf({ ...text, uri }, sign)
  for (const uri of ['/4', '/3', '/2']) await signatureOf({ ...text, uri }, sign)
  expect(calls.count).toBe(4)
  await signatureOf({ ...text, uri: '/1' }, sign)
  expect(calls.count).toBe(5)
})

test('a failed signature is not remembered', async () => {
  const signatureOf = createSignatureCache({ maxEntries: 10 })
  await expect(signatureOf(text, () => Promise.reject(new Error('no entropy')))).rejects.toThrow('no entropy')
  expect(await signatureOf(text, async () => 'signature')).toBe('signature')
})
