import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { parseRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { readTopic } from '@signalbox/kafka/log-reader'
import {
  createTestClient,
  type SignedNotification,
  type TestClient,
} from '@signalbox/testkit/signed-notification'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { listeningPort, runIngress, type RunningIngress, sharedKafkaEnvironment } from '../main.fixture.ts'
import { answersIn, dial, gist, talkUntilHeard } from './raw-http.fixture.ts'
import { hostileBytes, smuggled } from './smuggling-corpus.fixture.ts'

const kafka = {
  brokers: inject('kafkaBrokers'),
  tls: false,
  partitions: 12,
  replication: 1,
  createTopics: true,
}
const limits = { HEADERS_TIMEOUT_MS: '1000', REQUEST_TIMEOUT_MS: '2000', MAX_CONNECTIONS: '2500' }

let folder: string
let client: TestClient
let ingress: RunningIngress
let port: number
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingress-hostile-'))
  client = await createTestClient(folder, { clientId: `T_${crypto.randomUUID()}`, uri: '/notify' })
  ingress = runIngress({
    ...sharedKafkaEnvironment({ ...kafka, clientsFile: client.clientsFile }),
    ...limits,
  })
  port = await vi.waitUntil(() => listeningPort(ingress), { timeout: 60_000, interval: 50 })
})
afterAll(async () => {
  await ingress[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const slowAnswers = ['200 UNKNOWN_EXCEPTION', '200 REQUEST_TRAFFIC_EXCEED_LIMIT']

const notification = (merchant: string) =>
  JSON.stringify({ referenceMerchantId: merchant, registrationResult: { registrationStatus: 'PENDING' } })

function headOf({ headers }: SignedNotification): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`POST ${client.uri} HTTP/1.1`, 'host: a', ...lines].join('\r\n')
}

async function genuine(merchant: string): Promise<string> {
  const signed = await client.signer.sign(notification(merchant))
  return `${headOf(signed)}\r\ncontent-length: ${signed.body.length}\r\n\r\n${signed.body.toString('latin1')}`
}

async function storedBodies(): Promise<string[]> {
  const records = await readTopic(kafka, topics.raw.name)
  return records
    .filter(({ headers }) => parseRawHeaders(headers)?.clientId === client.clientId)
    .map(({ value }) => value?.toString() ?? '')
}

test('a genuine notification behind bytes with two readings is neither stored nor answered', async () => {
  const hidden = await genuine('smuggled')
  const head = headOf(await client.signer.sign('{}'))
  for (const [name, bytes] of hostileBytes) {
    const disguised = bytes.replace('POST /first HTTP/1.1\r\nhost: a', head).replace(smuggled, hidden)
    expect([name, (await talkUntilHeard(port, disguised)).map(gist)]).toEqual([name, ['400 PARAM_ILLEGAL']])
  }
  expect((await talkUntilHeard(port, await genuine('good'))).map(gist)).toEqual(['200 SUCCESS'])
  expect(await storedBodies()).toEqual([notification('good')])
})

test('slow heads, slow bodies and idle connections keep no good notification waiting', async () => {
  const head = headOf(await client.signer.sign('{}'))
  const starts = ['', 'POST / HTTP/1.1\r\nhost:', `${head}\r\ncontent-length: 2\r\n\r\n{`]
  const ends: Promise<{ start: string; gists: string[] }>[] = []
  const open = async (start: string) => {
    const socket = await dial(port)
    // At once: what is written to a connection that has been closed is answered with a reset.
    socket.write(start)
    ends.push(buffer(socket).then((bytes) => ({ start, gists: answersIn(bytes).map(gist) })))
  }
  for (let wave = 0; wave < 20; wave += 1) {
    await Promise.all(Array.from({ length: 100 }, (_, place) => open(starts[place % starts.length] ?? '')))
  }
  const answeredInMs: number[] = []
  for (let round = 0; round < 50; round += 1) {
    const bytes = await genuine(`beside-${round}`)
    const from = performance.now()
    expect((await talkUntilHeard(port, bytes)).map(gist)).toEqual(['200 SUCCESS'])
    answeredInMs.push(performance.now() - from)
  }
  expect(Math.max(...answeredInMs)).toBeLessThan(5_000)
  for (const { start, gists } of await Promise.all(ends)) {
    // Whose head is whole may have come in a moment in which nobody was let in.
    expect(start === '' ? [''] : slowAnswers).toContain(gists.join(' '))
  }
  const stored = await storedBodies()
  expect(stored.filter((body) => body.includes('beside-'))).toHaveLength(50)
})
