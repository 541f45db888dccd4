import { verifyAnswer } from '@signalbox/testkit/signed-notification'
import { expect, test } from 'vitest'
import { createAnswers } from './answer.ts'
import { client, own } from '../test-client.fixture.ts'

const now = () => Date.UTC(2019, 3, 4, 8, 38, 56, 789)
const uri = '/notify/registration?a=1'

test('a known client gets the documented headers, and the signature verifies', async () => {
  const answer = await createAnswers({ now })('SUCCESS', { client, uri })
  const { signature, ...others } = answer.headers
  expect(others).toEqual({
    'content-type': 'application/json; charset=UTF-8',
    'client-id': 'T_111222333',
    'response-time': '2019-04-04T08:38:56+00:00',
  })
  expect(signature).toMatch(/^algorithm=RSA256,keyVersion=7,signature=[A-Za-z0-9%]{300,}$/)
  expect(answer.body.toString()).toBe(
    '{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}',
  )
  expect(verifyAnswer(answer, { publicKey: own.publicKey, uri })).toBe(true)
})

test('the signature is bound to the uri and to the body', async () => {
  const answers = createAnswers({ now })
  const success = await answers('SUCCESS', { client, uri })
  const refusal = await answers('PARAM_ILLEGAL', { client, uri })
  expect(verifyAnswer(success, { publicKey: own.publicKey, uri: '/notify/registration' })).toBe(false)
  expect(verifyAnswer({ ...success, body: refusal.body }, { publicKey: own.publicKey, uri })).toBe(false)
})

test('an answer to a stranger carries neither a client id nor a signature', async () => {
  const answer = await createAnswers({ now })('INVALID_CLIENT', null)
  expect(Object.keys(answer.headers)).toEqual(['content-type', 'response-time'])
})
