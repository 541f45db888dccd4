import { generateKeyPairSync } from 'node:crypto'
import { verifyAnswer } from '@signalbox/testkit/signed-notification'
import { expect, test } from 'vitest'
import { client, own } from '../test-client.fixture.ts'
import { type Answer, createAnswers, type Recipient } from './answer.ts'

const startMs = Date.UTC(2019, 3, 4, 8, 38, 56, 789)
const now = () => startMs
const uri = '/notify/registration?a=1'
const recipient: Recipient = { client, uri, isVerified: true }

const received = ({ headers, body }: Answer) => ({
  headers: Object.fromEntries(
    headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : [])),
  ),
  body: Buffer.from(body),
})
const isSigned = (answer: Answer) => verifyAnswer(received(answer), { publicKey: own.publicKey, uri })

test('a known client gets the documented headers, and the signature verifies', async () => {
  const answer = await createAnswers({ now })('SUCCESS', recipient)
  const { signature, ...others } = received(answer).headers
  expect(others).toEqual({
    'content-type': 'application/json; charset=UTF-8',
    'content-length': '80',
    'client-id': 'T_111222333',
    'response-time': '2019-04-04T08:38:56+00:00',
  })
  expect(signature).toMatch(/^algorithm=RSA256,keyVersion=7,signature=[A-Za-z0-9%]{300,}$/)
  expect(answer.body).toBe('{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}')
  expect(isSigned(answer)).toBe(true)
})

test('the signature is bound to the uri and to the body', async () => {
  const answers = createAnswers({ now })
  const success = await answers('SUCCESS', recipient)
  const refusal = await answers('PARAM_ILLEGAL', recipient)
  const elsewhere = { publicKey: own.publicKey, uri: '/notify/registration' }
  expect(verifyAnswer(received(success), elsewhere)).toBe(false)
  expect(isSigned({ ...success, body: refusal.body })).toBe(false)
})

test('an answer to a stranger carries neither a client id nor a signature', () => {
  const answer = createAnswers({ now })('INVALID_CLIENT', null)
  expect(Object.keys(received(answer).headers)).toEqual(['content-type', 'content-length', 'response-time'])
})

test('within a second the same answer is signed once, by all who wait for it, and then at hand', async () => {
  let nowMs = startMs
  const answers = createAnswers({ now: () => nowMs })
  const [first, second] = await Promise.all([answers('SUCCESS', recipient), answers('SUCCESS', recipient)])
  expect(second).toBe(first)
  expect(answers('SUCCESS', recipient)).toBe(first)
  nowMs += 1_000
  const later = await answers('SUCCESS', recipient)
  expect(received(later).headers['response-time']).toBe('2019-04-04T08:38:57+00:00')
  expect(isSigned(later)).toBe(true)
})

test('a new key of ours signs at once, within the same second', async () => {
  const answers = createAnswers({ now })
  await answers('SUCCESS', recipient)
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rotated = { ...client, signingKey: { version: '8', key: privateKey } }
  const answer = await answers('SUCCESS', { client: rotated, uri, isVerified: true })
  expect(verifyAnswer(received(answer), { publicKey, uri })).toBe(true)
})

test('who names a client can have 200 texts signed a second, and neither its own nor others go unsigned for that', async () => {
  const answers = createAnswers({ now })
  const refusals = await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const inventedUri = `/notify/registration?n=${n}`
      return answers('INVALID_SIGNATURE', { client, uri: inventedUri, isVerified: false })
    }),
  )
  const signed = refusals.filter((answer) => answer.headers.includes('signature'))
  expect(signed).toHaveLength(200)
  expect(isSigned(await answers('SUCCESS', recipient))).toBe(true)
  const other = { ...client, clientId: 'T_2' }
  expect(isSigned(await answers('KEY_NOT_FOUND', { client: other, uri, isVerified: false }))).toBe(true)
})

test('a signature that cannot be made is an error for each who waits, and is tried again', async () => {
  const answers = createAnswers({ now })
  const broken = { ...client, signingKey: { version: '8', key: own.publicKey } }
  const ask = async () => answers('SUCCESS', { client: broken, uri, isVerified: true })
  await expect(ask()).rejects.toThrow()
  await expect(ask()).rejects.toThrow()
})
