import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inquiryPath } from '@signalbox/alipay/inquiry'
import { type ParsedKey, parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import { type ClientsFile, clientsFile } from '@signalbox/contracts/clients-file'
import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSandbox, readSenderClients, registerInquiries, sandboxPaths, writeJson } from '../sandbox.ts'
import { checkAnswer } from '../sender/check-answer.ts'
import { createInquiryServer } from './inquiry-server.ts'
import { createFindTruth } from './known-truths.ts'

const folder = mkdtempSync(join(tmpdir(), 'signalbox-inquiries-'))

const entry = (productCode: string, status: 'APPROVED' | 'REJECTED') => ({
  pspName: 'GCASH',
  productCode,
  status,
  rejectionReason: status === 'REJECTED' ? 'no licence' : null,
})
let acquirers: ClientsFile['clients']
let app: ReturnType<typeof createInquiryServer>

beforeAll(async () => {
  const paths = { alipayplus: '/ap', ams: '/ams' }
  await createSandbox({ folder, clients: 2, paths, sinkUrl: 'http://127.0.0.1:1' })
  acquirers = readJsonFile(sandboxPaths(folder).clients, 'test', clientsFile).clients
  writeTruths(
    truth(0, 'M1', [entry('A', 'APPROVED'), entry('B', 'REJECTED'), entry('C', 'APPROVED')]),
    truth(1, 'M2', [entry('*', 'APPROVED')]),
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(() => {
  app = createInquiryServer({
    clients: readSenderClients(folder),
    findTruth: createFindTruth(sandboxPaths(folder).truth),
    now: Date.now,
  })
})
afterEach(() => app.close())

function acquirer(index: number): ClientsFile['clients'][number] {
  const found = acquirers[index]
  if (found === undefined) throw new Error('a sandbox has two clients')
  return found
}

function truth(index: number, merchant: string, entries: RegistrationTruth['entries']): RegistrationTruth {
  const registration = {
    clientId: acquirer(index).clientId,
    referenceMerchantId: merchant,
    referenceStoreId: null,
  }
  return { registration, collectiveStatus: 'COMPLETED', entries }
}

function writeTruths(...registrations: RegistrationTruth[]): void {
  writeJson(sandboxPaths(folder).truth, { registrations })
}

/** Asks as the acquirer with that place in the sandbox does, with something changed after signing. */
async function ask(
  index: number,
  ids: object,
  changed: { path?: string; headers?: object; body?: string } = {},
) {
  const client = acquirer(index)
  const uri = inquiryPath(client)
  const body = JSON.stringify(ids)
  const time = String(Date.now())
  const key = keyOf(
    parsePrivateKey(readNamedFile(join(folder, client.ownKeys[0]?.privateKeyFile ?? ''), 'test')),
  )
  const parts = { uri, clientId: client.clientId, time, body: Buffer.from(body) }
  const answer = await app.inject({
    method: 'POST',
    url: changed.path ?? uri,
    headers: {
      'content-type': 'application/json; charset=UTF-8',
      'client-id': client.clientId,
      'request-time': time,
      signature: formatSignatureHeader({ keyVersion: '1', signature: await createSignature(parts, key) }),
      ...changed.headers,
    },
    body: changed.body ?? body,
  })
  // Our own check of the acquirer's answers serves here too: both directions are signed alike.
  const alipayKey = keyOf(parsePublicKey(client.alipayKeys[0]?.publicKey ?? ''))
  const { problem } = checkAnswer(
    { ...knownSender(index), path: uri, acquirerKeys: new Map([['1', alipayKey]]) },
    { status: answer.statusCode, headers: lowerCased(answer.headers), body: answer.rawPayload },
  )
  return { answer, problem, said: answer.statusCode === 200 ? answer.json<object>() : null }
}

function knownSender(index: number) {
  const sender = readSenderClients(folder)[index]
  if (sender === undefined) throw new Error('a sandbox has two clients')
  return sender
}

function lowerCased(headers: NodeJS.Dict<string | string[] | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

function keyOf(parsed: ParsedKey) {
  if (parsed.kind === 'refused') throw new Error(parsed.problem)
  return parsed.key
}

const order = (faults: unknown) => app.inject({ method: 'POST', url: '/faults', payload: { faults } })

describe('an inquiry', () => {
  test('is answered with the truth, signed, products with the same answer together', async () => {
    const { problem, said } = await ask(0, { referenceMerchantId: 'M1' })
    expect(problem).toBeNull()
    expect(said).toEqual({
      result: { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'Success' },
      registrationResult: { registrationStatus: 'COMPLETED' },
      pspRegistrationResultList: [
        {
          pspName: 'GCASH',
          productCodes: ['A', 'C'],
          registrationResult: { registrationStatus: 'APPROVED' },
        },
        {
          pspName: 'GCASH',
          productCodes: ['B'],
          registrationResult: { registrationStatus: 'REJECTED', rejectionReason: 'no licence' },
        },
      ],
    })
  })

  test('in the AMS dialect is answered without products', async () => {
    const { problem, said } = await ask(1, { referenceMerchantId: 'M2' })
    expect(problem).toBeNull()
    expect(said).toMatchObject({
      pspRegistrationResultList: [
        { pspName: 'GCASH', registrationResult: { registrationStatus: 'APPROVED' } },
      ],
    })
    expect(JSON.stringify(said)).not.toContain('productCodes')
  })

  test('is answered with the newest truth', async () => {
    await ask(0, { referenceMerchantId: 'M1' })
    const before = createFindTruth(sandboxPaths(folder).truth)
    expect(before(truth(0, 'M7', []).registration)).toBeUndefined()
    writeTruths(truth(0, 'M1', [entry('A', 'APPROVED')]), truth(0, 'M7', [entry('A', 'REJECTED')]))
    expect((await ask(0, { referenceMerchantId: 'M7' })).said).toMatchObject({
      result: { resultStatus: 'S' },
    })
    expect(before(truth(0, 'M7', []).registration)).toBeDefined()
  })

  test.each([
    ['an unknown merchant', 0, { referenceMerchantId: 'M9' }, 'RECORD_NOT_FOUND'],
    ["another client's merchant", 1, { referenceMerchantId: 'M1' }, 'RECORD_NOT_FOUND'],
    ['another store', 0, { referenceMerchantId: 'M1', referenceStoreId: 'S1' }, 'RECORD_NOT_FOUND'],
    ['a request id alone', 0, { registrationRequestId: 'R1' }, 'RECORD_NOT_FOUND'],
    ['nothing', 0, {}, 'PARAM_ILLEGAL'],
  ])('for %s is refused, signed', async (_, index, ids, resultCode) => {
    const { problem, said } = await ask(index, ids)
    expect(problem).toBeNull()
    expect(said).toMatchObject({ result: { resultCode, resultStatus: 'F' } })
  })

  test.each([
    ['whose body was altered', { body: '{"referenceMerchantId":"M2"}' }, 'INVALID_SIGNATURE'],
    ['without a signature', { headers: { signature: '' } }, 'INVALID_SIGNATURE'],
    ['of an unknown client', { headers: { 'client-id': 'C9' } }, 'INVALID_CLIENT'],
    [
      'on the path of the other dialect',
      { path: '/ams/sandbox/api/v1/merchants/inquiryRegistrationStatus' },
      'INVALID_CLIENT',
    ],
  ])('%s is refused, unsigned as Alipay does it', async (_, changed, resultCode) => {
    const { answer, said } = await ask(0, { referenceMerchantId: 'M1' }, changed)
    expect(said).toMatchObject({ result: { resultCode, resultStatus: 'F' } })
    expect(answer.headers['signature']).toBeUndefined()
  })
})

describe('a fault that was ordered', () => {
  test('spoils one answer, and the next is true again', async () => {
    expect((await order(['wrong_key', 'unknown'])).statusCode).toBe(204)
    const problems: unknown[] = []
    const statuses: unknown[] = []
    for (let turn = 0; turn < 3; turn++) {
      const { problem, answer } = await ask(0, { referenceMerchantId: 'M1' })
      problems.push(problem)
      statuses.push(answer.json<{ result: { resultStatus: string } }>().result.resultStatus)
    }
    expect(problems).toEqual(['the signature does not hold', null, null])
    expect(statuses).toEqual(['S', 'U', 'S'])
  })

  test.each([
    ['unsigned', 'the answer is not signed'],
    ['altered', 'the signature does not hold'],
    ['other_client', 'client-id is not the one of the request'],
    ['gateway', 'HTTP 503'],
    ['refused', null],
  ])('%s shows to who checks: %s', async (fault, expected) => {
    await order([fault])
    expect((await ask(0, { referenceMerchantId: 'M1' })).problem).toBe(expected)
  })

  test('is refused when nobody knows it', async () => {
    const answer = await order(['sulk'])
    expect(answer.statusCode).toBe(400)
  })
})

test('the clients file tells where inquiries are answered', () => {
  registerInquiries(folder, 'http://127.0.0.1:8071')
  const { clients } = readJsonFile(sandboxPaths(folder).clients, 'test', clientsFile)
  expect(clients.map(({ inquiryUrl }) => inquiryUrl)).toEqual([
    'http://127.0.0.1:8071',
    'http://127.0.0.1:8071',
  ])
})
