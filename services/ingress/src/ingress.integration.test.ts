import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { IncomingMessage, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import { parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { readTopic } from '@signalbox/kafka/log-reader'
import { partitionOf } from '@signalbox/kafka/partition'
import { createTestClient, type TestClient, verifyAnswer } from '@signalbox/testkit/signed-notification'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { z } from 'zod'
import { listeningPort, runIngress, type RunningIngress, sharedKafkaEnvironment } from './main.fixture.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
  }
}

/** The sample of the Alipay+ documents, as printed there. */
const sample = `{
  "registrationRequestId": "2020091811058602000006001420000",
  "referenceMerchantId": "2188120000190000",
  "referenceStoreId": "340000",
  "registrationResult": {
    "registrationStatus": "COMPLETED"
  },
  "pspRegistrationResultList": [
    {
      "productCodes": [
        "IN_STORE_PAYMENT"
      ],
      "pspName": "ALIPAY_CN",
      "registrationResult": {
        "registrationStatus": "REJECTED",
        "rejectionReason": "rejectionReason message"
      }
    },
    {
      "productCodes": [
        "CASHIER_PAYMENT"
      ],
      "pspName": "ALIPAY_CN",
      "registrationResult": {
        "registrationStatus": "APPROVED"
      }
    }
  ]
}`

const kafka = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions: 12,
  replication: 1,
  createTopics: true,
}

let folder: string
let client: TestClient
let ingress: RunningIngress
let port: number
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingress-integration-'))
  // Topics have fixed names, so what is ours is told by a client id of our own.
  const clientId = `T_${crypto.randomUUID()}`
  client = await createTestClient(folder, { clientId, uri: '/alipayplus/notifyRegistrationStatus' })
  ingress = runIngress(sharedKafkaEnvironment({ ...kafka, clientsFile: client.clientsFile }))
  port = await vi.waitUntil(() => listeningPort(ingress), { timeout: 60_000, interval: 50 })
})
afterAll(async () => {
  await ingress[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

type Signed = { headers: Record<string, string>; body: Buffer }

/** Posts until the ingress is not too busy to look: a machine with other things to do makes it say so. */
async function post(signed: Signed) {
  return vi.waitUntil(
    async () => {
      const answer = await postOnce(signed)
      return !answer.text.includes('REQUEST_TRAFFIC_EXCEED_LIMIT') && answer
    },
    { timeout: 20_000, interval: 50 },
  )
}

async function postOnce(signed: Signed) {
  const response = await fetch(`http://127.0.0.1:${port}${client.uri}`, {
    method: 'POST',
    headers: signed.headers,
    body: new Uint8Array(signed.body),
  })
  const answer = {
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  }
  return {
    status: response.status,
    text: Buffer.from(answer.body).toString(),
    verified: verifyAnswer(answer, { publicKey: client.ownPublicKey, uri: client.uri }),
  }
}

async function ownRecords(topic: string) {
  const records = await readTopic(kafka, topic)
  return records
    .map((record) => ({ ...record, raw: parseRawHeaders(record.headers) }))
    .flatMap(({ raw, ...record }) => (raw?.clientId === client.clientId ? [{ ...record, raw }] : []))
}

/** Verifies a record from the log alone. */
function isGenuine(raw: RawHeaders, body: Buffer): boolean {
  const parts = { uri: raw.requestUri, clientId: raw.clientId, time: raw.requestTime, body }
  const signature = parseSignatureHeader(raw.signature)?.signature
  return signature !== undefined && verifySignature(parts, signature, client.alipayPublicKey)
}

test('an acknowledged notification is in the raw topic, byte for byte, and verifies again offline', async () => {
  const bodies = [
    sample,
    `\uFEFF${sample.replaceAll('\n', '\r\n')}\r\n`,
    '{"referenceMerchantId":"2188120000190000"}',
  ]
  for (const body of bodies) {
    const answer = await post(await client.signer.sign(body))
    expect(answer).toEqual({
      status: 200,
      text: '{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}',
      verified: true,
    })
  }
  const records = await ownRecords(topics.raw.name)
  expect(records.map(({ value }) => value?.toString())).toEqual(bodies)
  const key = `${client.clientId}/2188120000190000`
  for (const record of records) {
    expect(record).toMatchObject({ key, partition: partitionOf(key, kafka.partitions) })
    expect(isGenuine(record.raw, record.value ?? Buffer.alloc(0))).toBe(true)
  }
})

test('a forged one is nowhere, an unusable one is in quarantine alone', async () => {
  const before = await ownRecords(topics.raw.name)
  const { headers } = await client.signer.sign(sample)
  expect((await post({ headers, body: Buffer.from('{"referenceMerchantId":"M2"}') })).text).toContain(
    'INVALID_SIGNATURE',
  )
  expect((await post(await client.signer.sign('[]'))).text).toContain('PARAM_ILLEGAL')
  expect(await ownRecords(topics.raw.name)).toHaveLength(before.length)
  const [record, ...others] = await ownRecords(topics.quarantine.name)
  expect(others).toEqual([])
  expect(record?.value?.toString()).toBe('[]')
  expect(record?.headers.get('dlq-error-code')?.toString()).toBe('not_json_object')
})

test('SIGTERM lets a notification that is under way be stored and answered, then ends with exit code 0', async () => {
  const signed = await client.signer.sign(sample)
  // With this header the server says when it has begun to read the request.
  const headers = { ...signed.headers, expect: '100-continue', 'content-length': signed.body.length }
  const request = httpRequest({ host: '127.0.0.1', port, method: 'POST', path: client.uri, headers })
  const answered = once(request, 'response')
  await once(request, 'continue')
  ingress.process.kill('SIGTERM')
  await vi.waitFor(() => expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow('fetch failed'), {
    timeout: 5_000,
  })
  request.end(signed.body)
  const [response] = z.tuple([z.instanceof(IncomingMessage)]).parse(await answered)
  const answer = { headers: response.headers, body: await buffer(response) }
  expect(verifyAnswer(answer, { publicKey: client.ownPublicKey, uri: client.uri })).toBe(true)
  expect(answer.body.toString()).toContain('"SUCCESS"')
  expect(await ingress.ended).toBe(0)
})
