import { constants, createSign, type KeyObject, sign } from 'node:crypto'
import { createSignature } from '@signalbox/alipay/signature'
import { expect, test } from 'vitest'
import { checkBody } from './check-body.ts'
import type { AdmittedHead } from './check-head.ts'
import { verifyHere } from './open-verifier.ts'
import { alipay, client, own, rsaPair } from '../test-client.fixture.ts'

const uri = '/notify/registration?source=a%2Fb'
const clientId = client.clientId
const time = '2019-07-12T12:08:56.253+05:30'
const body = Buffer.from(
  '{"referenceMerchantId":"M/1","registrationResult":{"registrationStatus":"PENDING"}}',
)
const stranger = rsaPair()

async function headFor(
  signed: Partial<{ uri: string; clientId: string; time: string; body: Buffer }>,
  key: KeyObject = alipay.privateKey,
): Promise<AdmittedHead> {
  return headWith(await createSignature({ uri, clientId, time, body, ...signed }, key))
}

function headWith(signature: Buffer): AdmittedHead {
  return {
    kind: 'admitted',
    addressee: { client, uri },
    requestTime: time,
    requestTimeMs: 0,
    signatureHeader: '',
    signature,
    keys: client.verifyingKeys,
    declaredBytes: 0,
    traceparent: null,
  }
}

const text = Buffer.from(`POST ${uri}\n${clientId}.${time}.${body.toString()}`)

test.each([
  ['{"referenceMerchantId":"M/1"}', 'T_111222333/M%2F1'],
  ['{"referenceMerchantId":"M1","registrationRequestId":"R1","referenceStoreId":7}', 'T_111222333/M1'],
  ['\uFEFF{ "referenceMerchantId" : "M1" }\r\n', 'T_111222333/M1'],
  ['{"referenceMerchantId":"","registrationRequestId":"R1"}', 'T_111222333//R1'],
  ['{"referenceMerchantId":null,"registrationRequestId":"R1"}', 'T_111222333//R1'],
  ['{"referenceMerchantId":"M1","referenceMerchantId":"M2"}', 'T_111222333/M2'],
])('the signed body %s is routed to %s', async (json, recordKey) => {
  const signed = Buffer.from(json)
  expect(await checkBody(await headFor({ body: signed }), signed, { verify: verifyHere })).toEqual({
    kind: 'routable',
    keyVersion: '1',
    recordKey,
  })
})

test.each([
  ['', 'not_json_object'],
  ['[]', 'not_json_object'],
  ['"text"', 'not_json_object'],
  ['{"referenceMerchantId":"M1"} x', 'not_json_object'],
  ['{"referenceMerchantId":"M1"', 'not_json_object'],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'not_json_object'],
  ['{}', 'unroutable'],
  ['{"referenceMerchantId":5}', 'unroutable'],
  ['{"referenceMerchantId":"","registrationRequestId":""}', 'unroutable'],
])('the signed body %j is unusable: %s', async (content, reason) => {
  const signed = Buffer.from(content)
  expect(await checkBody(await headFor({ body: signed }), signed, { verify: verifyHere })).toEqual({
    kind: 'unusable',
    keyVersion: '1',
    recordKey: 'T_111222333//',
    reason,
  })
})

test('the version of the key that verifies is told, not the first one tried', async () => {
  const head = await headFor({})
  const keys = [{ version: '2', key: stranger.publicKey }, ...client.verifyingKeys]
  expect(await checkBody({ ...head, keys }, body, { verify: verifyHere })).toMatchObject({ keyVersion: '1' })
})

test.each([
  ['of another body', headFor({ body: Buffer.from('{}') })],
  ['of the body with a line end', headFor({ body: Buffer.concat([body, Buffer.from('\n')]) })],
  ['of another client', headFor({ clientId: 'T_2' })],
  ['of another time', headFor({ time: '2019-07-12T12:08:57.253+05:30' })],
  ['of the same instant written otherwise', headFor({ time: '2019-07-12T06:38:56.253Z' })],
  ['of the path without the query', headFor({ uri: '/notify/registration' })],
  ['of the path with the query decoded', headFor({ uri: '/notify/registration?source=a/b' })],
  ['of another path', headFor({ uri: '/notify/second' })],
  ['by a key of a stranger', headFor({}, stranger.privateKey)],
  ['by our own key, as in an answer of ours', headFor({}, own.privateKey)],
  ['with SHA-1', headWith(createSign('sha1').update(text).sign(alipay.privateKey))],
  ['with SHA-512', headWith(sign('sha512', text, alipay.privateKey))],
  [
    'with PSS padding',
    headWith(sign('sha256', text, { key: alipay.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })),
  ],
  [
    'of a GET',
    headWith(sign('sha256', Buffer.from(text.toString().replace('POST', 'GET')), alipay.privateKey)),
  ],
  ['that is empty', headWith(Buffer.alloc(0))],
  ['that is cut off', headWith(sign('sha256', text, alipay.privateKey).subarray(0, 255))],
  ['that is too long', headWith(Buffer.concat([sign('sha256', text, alipay.privateKey), Buffer.alloc(1)]))],
  ['of zeros', headWith(Buffer.alloc(256))],
])('a signature %s is forged', async (_, head) => {
  expect(await checkBody(await head, body, { verify: verifyHere })).toEqual({ kind: 'forged' })
})

test('what cannot be verified is not called forged', async () => {
  const checked = checkBody(await headFor({}), body, {
    verify: () => Promise.reject(new Error('no verdict')),
  })
  await expect(checked).rejects.toThrow('no verdict')
})
