import { generateKeyPairSync } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { readInquiryBody } from '@signalbox/contracts/inquiry-body'
import { type ClientDirectory, loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAsk, type Question } from './ask.ts'
import { clientIds, type Simulator, startSimulator, truth } from './simulator.fixture.ts'
import { openWire } from './wire.ts'

const { alipayplus, ams } = clientIds
const truths = [
  truth({ clientId: alipayplus, merchant: 'M1', productCodes: ['CASHIER_PAYMENT', 'IN_STORE_PAYMENT'] }),
  truth({ clientId: alipayplus, merchant: 'M1', store: 'S 1', status: 'REJECTED' }),
  truth({ clientId: ams, merchant: 'M2', productCodes: ['*'] }),
  truth({ clientId: ams, merchant: 'M3', status: 'PENDING', productCodes: [] }),
]
const question = (clientId: string, merchant: string, store: string | null = null): Question => ({
  registration: { clientId, referenceMerchantId: merchant, referenceStoreId: store },
  round: 'R1',
})
const fixedTime = () => 1_685_599_933_871
const aboutM1 = question(alipayplus, 'M1')

let simulator: Simulator
let clients: ClientDirectory
const wire = openWire({
  deadlineMs: 1_500,
  mostAnswerBytes: 4 * 1024 * 1024,
  stop: new AbortController().signal,
})
const ask = (asked: Question, as: ClientDirectory = clients, now = Date.now) =>
  createAsk({ clients: () => as, wire, createId: () => 'n1', now })(asked)

beforeAll(async () => {
  simulator = await startSimulator(truths)
  clients = loadClientDirectory(simulator.clientsFile)
})
afterAll(async () => {
  await wire[Symbol.asyncDispose]()
  await simulator[Symbol.asyncDispose]()
})

describe('a true answer', () => {
  test.each([
    [
      'names the products of an Alipay+ client',
      aboutM1,
      'COMPLETED',
      [
        {
          pspName: 'GCASH',
          productCodes: ['CASHIER_PAYMENT', 'IN_STORE_PAYMENT'],
          registrationResult: { registrationStatus: 'APPROVED' },
        },
      ],
    ],
    [
      'is about the store that was asked for',
      question(alipayplus, 'M1', 'S 1'),
      'COMPLETED',
      [
        {
          pspName: 'GCASH',
          productCodes: ['CASHIER_PAYMENT'],
          registrationResult: {
            registrationStatus: 'REJECTED',
            rejectionReason: 'The licence has expired. 店',
          },
        },
      ],
    ],
    [
      'names no products of an AMS client',
      question(ams, 'M2'),
      'COMPLETED',
      [{ pspName: 'GCASH', registrationResult: { registrationStatus: 'APPROVED' } }],
    ],
    ['may be PENDING without a list', question(ams, 'M3'), 'PENDING', undefined],
  ])('%s', async (_, asked, registrationStatus, list) => {
    const reply = await ask(asked)
    const read = reply.kind === 'answered' ? readInquiryBody(reply.body) : reply
    expect(read).toEqual({
      kind: 'body',
      body: {
        registrationResult: { registrationStatus },
        ...(list === undefined ? {} : { pspRegistrationResultList: list }),
      },
    })
  })

  test.each([
    [question(alipayplus, 'M1', 'S 1'), '/aps/api/v1/merchants/inquiryRegistrationStatus', 'alipayplus'],
    [question(ams, 'M2'), '/ams/sandbox/api/v1/merchants/inquiryRegistrationStatus', 'ams'],
  ])('of %o comes with all that verifies it again offline', async (asked, requestUri, dialect) => {
    const reply = await ask(asked)
    const { clientId, referenceMerchantId, referenceStoreId } = asked.registration
    expect(reply).toMatchObject({
      kind: 'answered',
      headers: {
        kind: 'inquiry',
        notificationId: 'n1',
        clientId,
        dialect,
        askedMerchantId: referenceMerchantId,
        askedStoreId: referenceStoreId,
        askedRequestId: 'R1',
        requestUri,
        keyVersion: '1',
      },
    })
    if (reply.kind !== 'answered') return
    const { signature, requestTime, requestTimeMs } = reply.headers
    expect(Date.parse(requestTime)).toBe(requestTimeMs)
    const parts = { uri: requestUri, clientId, time: requestTime, body: reply.body }
    const key = clients.find(clientId)?.verifyingKeys[0]?.key
    const bytes = parseSignatureHeader(signature)?.signature
    expect(key && bytes && verifySignature(parts, bytes, key)).toBe(true)
  })
})

describe('an answer that is not genuine is never taken', () => {
  test.each([
    ['unsigned', { forgery: 'unsigned', claim: null }],
    ['wrong_key', { forgery: 'wrong_signature', claim: null }],
    ['altered', { forgery: 'wrong_signature', claim: null }],
    ['other_client', { forgery: 'other_client', claim: null }],
    ['old', { forgery: 'other_time', claim: null }],
  ])('%s', async (fault, why) => {
    await simulator.order(fault)
    expect(await ask(aboutM1)).toEqual({ kind: 'forged', ...why })
  })

  test('of the future', async () => {
    expect(await ask(aboutM1, clients, () => Date.now() - 3_600_000)).toMatchObject({ forgery: 'other_time' })
  })

  test('refused for our own signature, which Alipay does not sign, but tells why', async () => {
    using folder = folderOf(simulator)
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(
      join(folder.path, 'keys', `${alipayplus}.acquirer.pem`),
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
    )
    const reply = await ask(aboutM1, loadClientDirectory(join(folder.path, 'clients.json')))
    expect(reply).toEqual({ kind: 'forged', forgery: 'unsigned', claim: 'INVALID_SIGNATURE' })
  })

  test.each([
    ['no key of that version', [{ version: '2', state: 'active' }], 'unknown_key'],
    ['a retired key', [{ version: '1', state: 'retired' }], 'unknown_key'],
  ] as const)('signed by %s', async (_, states, forgery) => {
    using folder = folderOf(simulator, (client) => {
      const [key] = client.alipayKeys
      if (key === undefined) throw new Error('a sandbox has Alipay keys')
      return { ...client, alipayKeys: states.map((state) => ({ ...key, ...state })) }
    })
    const reply = await ask(aboutM1, loadClientDirectory(join(folder.path, 'clients.json')))
    expect(reply).toMatchObject({ kind: 'forged', forgery })
  })

  test('a retiring key still verifies', async () => {
    using folder = folderOf(simulator, (client) => ({
      ...client,
      alipayKeys: client.alipayKeys.map((key) => ({ ...key, state: 'retiring' as const })),
    }))
    const reply = await ask(aboutM1, loadClientDirectory(join(folder.path, 'clients.json')))
    expect(reply.kind).toBe('answered')
  })
})

describe('trouble is told by its kind', () => {
  test.each([
    ['unknown', { kind: 'unavailable', problem: 'UNKNOWN_EXCEPTION' }],
    ['refused', { kind: 'refused', resultCode: 'RECORD_NOT_FOUND' }],
    ['gateway', { kind: 'unavailable', problem: 'http_503' }],
    ['hang_up', { kind: 'unavailable', problem: 'UND_ERR_SOCKET' }],
    ['huge', { kind: 'unavailable', problem: 'UND_ERR_RES_EXCEEDED_MAX_SIZE' }],
    ['silent', { kind: 'unavailable', problem: 'deadline' }],
    ['drip', { kind: 'unavailable', problem: 'deadline' }],
  ])('%s', async (fault, reply) => {
    await simulator.order(fault)
    const begunMs = performance.now()
    expect(await ask(aboutM1)).toEqual(reply)
    expect(performance.now() - begunMs).toBeLessThan(3_000)
  })

  test('U, and S when asked again', async () => {
    await simulator.order('unknown')
    expect((await ask(aboutM1)).kind).toBe('unavailable')
    expect((await ask(aboutM1)).kind).toBe('answered')
  })

  test('what Alipay does not know is refused', async () => {
    expect(await ask(question(alipayplus, 'M9'))).toEqual({ kind: 'refused', resultCode: 'RECORD_NOT_FOUND' })
  })

  test.each(['C9', alipayplus])('nobody is asked about %s when no address is known', async (clientId) => {
    using folder = folderOf(simulator, ({ inquiryUrl: _url, ...client }) => client)
    const reply = await ask(question(clientId, 'M1'), loadClientDirectory(join(folder.path, 'clients.json')))
    expect(reply).toEqual({ kind: 'not_configured' })
  })

  test('a server that is not there', async () => {
    using folder = folderOf(simulator, (client) => ({ ...client, inquiryUrl: 'http://127.0.0.1:1' }))
    const reply = await ask(aboutM1, loadClientDirectory(join(folder.path, 'clients.json')))
    expect(reply).toEqual({ kind: 'unavailable', problem: 'ECONNREFUSED' })
  })
})

test('what is sent names all that is known, and is signed with the greatest active key', async () => {
  const received: { body: string; headers: NodeJS.Dict<string | string[]> }[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      received.push({ body, headers: request.headers })
      response.writeHead(302, { location: simulator.url }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = addressOf(server.address())
  using folder = folderOf(simulator, (client) => ({
    ...client,
    inquiryUrl: `http://127.0.0.1:${port}`,
    ownKeys: ['9', '10', '11'].flatMap((version) =>
      client.ownKeys.map((key) => ({
        ...key,
        version,
        state: version === '11' ? ('retiring' as const) : ('active' as const),
      })),
    ),
  }))
  const as = loadClientDirectory(join(folder.path, 'clients.json'))
  const ways = [question(alipayplus, 'M1', 'S1'), { ...question(ams, 'M2'), round: null }]
  for (const way of ways) {
    // A redirect is a failed call: what is signed for one path is good for no other.
    expect(await ask(way, as, fixedTime)).toEqual({ kind: 'unavailable', problem: 'http_302' })
  }
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))

  expect(received.map(({ body }): unknown => JSON.parse(body))).toEqual([
    { referenceMerchantId: 'M1', referenceStoreId: 'S1', registrationRequestId: 'R1' },
    { referenceMerchantId: 'M2' },
  ])
  expect(received.map(({ headers }) => headers['request-time'])).toEqual([
    '2023-06-01T06:12:13+00:00',
    '1685599933871',
  ])
  for (const { headers } of received) {
    expect(headers.signature).toMatch(/^algorithm=RSA256,keyVersion=10,signature=[A-Za-z0-9%]+$/)
    expect(headers['content-type']).toBe('application/json; charset=UTF-8')
  }
})

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address')
  return address
}

type Client = ReturnType<typeof clientsFile.parse>['clients'][number]

/** A copy of the sandbox's clients file and keys, with every client changed. */
function folderOf(
  { folder }: Simulator,
  change: (client: Client) => Client = (client) => client,
): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), 'signalbox-clients-'))
  cpSync(join(folder, 'keys'), join(path, 'keys'), { recursive: true })
  const known = clientsFile.parse(JSON.parse(readFileSync(join(folder, 'clients.json'), 'utf8')))
  writeFileSync(join(path, 'clients.json'), JSON.stringify({ clients: known.clients.map(change) }))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
