import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { topics } from '@signalbox/contracts/topics'
import { type ConsumedRecord, readTopic } from '@signalbox/kafka/log-reader'
import {
  createTestClient,
  type SignedNotification,
  type TestClient,
} from '@signalbox/testkit/signed-notification'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { queryMerchant } from '../final-states.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { malformedKinds } from './kinds.fixture.ts'
import { messageText } from './message.fixture.ts'

const learnt = pathToFileURL(join(import.meta.dirname, 'knows-suspended.ts')).href

/** What the specification allows one bad record to hold up its partition. */
const blockLimitMs = 1_000

test('more than 500 kinds of malformed bodies: each in quarantine for its reason, nothing waits, redrive after a fix applies them', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const clients = await addClients(pipeline)
  const kinds = malformedKinds()
  expect(kinds.length).toBeGreaterThan(500)

  let next = 0
  const sendSome = async () => {
    for (let index = next++; index < kinds.length; index = next++) {
      const kind = kinds[index]
      if (kind === undefined) return
      const client = kind.client === 'push' ? clients.push : clients.plus
      const requestTime = new Date(Date.now() + (kind.signedAheadMs ?? 0)).toISOString()
      await post(pipeline, client, { body: kind.body(`BAD-${index}`), requestTime })
      // A good one behind each bad one shows how long the partition was held up.
      await post(pipeline, clients.plus, { body: Buffer.from(messageText({ merchant: `"GOOD-${index}"` })) })
    }
  }
  await Promise.all(Array.from({ length: 4 }, sendSome))

  const expected = new Map(kinds.map(({ body, reason }, index) => [bytesOf(body(`BAD-${index}`)), reason]))
  const { raw, changes } = await vi.waitFor(
    async () => {
      const found = await readTopics(pipeline)
      // Each kind is there with its reason, and nothing else is.
      expect(reasonsOf(found.quarantine)).toEqual(expected)
      expect(new Set(found.changes.map(({ key }) => key)).size).toBe(kinds.length)
      return found
    },
    { timeout: 60_000, interval: 1_000 },
  )

  // A good notification's change is there soon after its raw record.
  const appendedAt = new Map(
    raw.map((record) => [`${record.partition} ${record.offset}`, record.timestampMs]),
  )
  const delays = changes.map((record) => {
    const { cause } = registrationChange.parse(JSON.parse(String(record.value)))
    return record.timestampMs - (appendedAt.get(`${cause.raw.partition} ${cause.raw.offset}`) ?? Number.NaN)
  })
  expect(Math.max(...delays)).toBeLessThan(blockLimitMs)

  // The operator names the merchant of what came without one, by the request id that was sent for it.
  const attribute = (...by: string[]) =>
    pipeline.signalbox(
      'quarantine',
      'redrive',
      '--reason',
      'unattributable',
      ...by,
      '--attributed-to',
      'FOUND',
    )
  expect(await attribute()).toMatchObject({ ended: 'exit code 1' })
  expect(await attribute('--request-id', 'R2')).toMatchObject({ ended: 'exit code 0' })
  const shown = (merchant: string) =>
    queryMerchant(pipeline, { clientId: clients.plus.clientId, referenceMerchantId: merchant })
  await vi.waitFor(async () => expect((await shown('FOUND')).size).toBe(1), { timeout: 30_000 })

  // The next build has learnt one of the statuses.
  const suspended = kinds.flatMap(({ name }, index) =>
    name.includes('status SUSPENDED') ? [`BAD-${index}`] : [],
  )
  expect(suspended).toHaveLength(3)
  for (const merchant of suspended) expect((await shown(merchant)).size).toBe(0)
  await pipeline.services.processor.stop()
  await pipeline.another('processor', { env: { NODE_OPTIONS: `--import ${learnt}` } }).start()
  const planned = await pipeline.signalbox('quarantine', 'redrive', '--reason', 'unknown_status', '--dry-run')
  expect(planned).toMatchObject({ ended: 'exit code 0' })
  expect(await pipeline.signalbox('quarantine', 'redrive', '--reason', 'unknown_status')).toMatchObject({
    ended: 'exit code 0',
  })
  for (const merchant of suspended) {
    await vi.waitFor(async () => expect((await shown(merchant)).size).toBe(1), { timeout: 30_000 })
  }
  // What the fix does not help is set aside again, and still says where it came from first.
  const unknown = kinds.filter(({ reason }) => reason === 'unknown_status').length
  await vi.waitFor(
    async () => {
      const again = (await readTopics(pipeline)).quarantine.filter((record) =>
        record.headers.has('replayed-from'),
      )
      expect(reasonsOf(again).size).toBe(unknown - suspended.length)
    },
    { timeout: 30_000, interval: 500 },
  )
})

const clientsJson = z.object({ clients: z.array(z.looseObject({ clientId: z.string() })) })

const clientsIn = async (file: string) => clientsJson.parse(JSON.parse(await readFile(file, 'utf8'))).clients

/** Two clients whose keys the test holds, added to the file that the ingress reads again by itself. */
async function addClients(pipeline: Pipeline): Promise<{ plus: TestClient; push: TestClient }> {
  const plus = await createTestClient(join(pipeline.folder, 'plus'), { clientId: 'T_PLUS', uri: '/plus' })
  const push = await createTestClient(join(pipeline.folder, 'push'), { clientId: 'T_PUSH', uri: '/push' })
  const file = join(pipeline.folder, 'clients.json')
  const all = [...(await clientsIn(file)), ...(await keyed(plus, 'plus')), ...(await keyed(push, 'push'))]
  await writeFile(file, JSON.stringify({ clients: all }))
  await vi.waitFor(
    async () => {
      const forged = { ...(await push.signer.sign('{}')), body: Buffer.from('{ }') }
      expect(await send(pipeline, push, forged)).toContain('INVALID_SIGNATURE')
    },
    { timeout: 30_000, interval: 200 },
  )
  return { plus, push }

  async function keyed(client: TestClient, folder: string) {
    const text = JSON.stringify(await clientsIn(client.clientsFile)).replaceAll('"keys/', `"${folder}/keys/`)
    return clientsJson.shape.clients
      .parse(JSON.parse(text))
      .map((one) => (folder === 'push' ? { ...one, push: true } : one))
  }
}

async function post(
  pipeline: Pipeline,
  client: TestClient,
  { body, requestTime }: { body: Buffer; requestTime?: string },
): Promise<string> {
  // As the sender does: what is answered with U comes again, and may have been kept the first time.
  for (let attempt = 1; attempt < 20; attempt++) {
    const answer = await postOnce(pipeline, client, {
      body,
      ...(requestTime === undefined ? {} : { requestTime }),
    })
    if (!answer.includes('"resultStatus":"U"')) return answer
  }
  throw new Error('the ingress answered with U twenty times')
}

async function postOnce(
  pipeline: Pipeline,
  client: TestClient,
  { body, requestTime }: { body: Buffer; requestTime?: string },
): Promise<string> {
  return send(
    pipeline,
    client,
    await client.signer.sign(body, requestTime === undefined ? {} : { requestTime }),
  )
}

async function send(
  { ingressUrl }: Pipeline,
  client: TestClient,
  signed: SignedNotification,
): Promise<string> {
  const answer = await fetch(`${ingressUrl}${client.uri}`, {
    method: 'POST',
    headers: signed.headers,
    body: new Uint8Array(signed.body),
  })
  return answer.text()
}

async function readTopics({ kafka }: Pipeline) {
  const [raw, quarantine, changes] = await Promise.all([
    readTopic(kafka, topics.raw.name),
    readTopic(kafka, topics.quarantine.name),
    readTopic(kafka, topics.changes.name),
  ])
  return { raw, quarantine, changes }
}

function header(record: { headers: ReadonlyMap<string, Buffer> }, name: string): string {
  return record.headers.get(name)?.toString('utf8') ?? ''
}

/** By body: why it was set aside. What was sent twice is there twice. */
function reasonsOf(quarantine: readonly ConsumedRecord[]): Map<string, string> {
  return new Map(quarantine.map((record) => [bytesOf(record.value), header(record, 'dlq-error-code')]))
}

function bytesOf(body: Buffer | null): string {
  return body?.toString('base64') ?? ''
}
