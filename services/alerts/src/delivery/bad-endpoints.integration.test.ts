import { expect, test } from 'vitest'
import { merchants, openScene, waiting } from '../alerts-scene.fixture.ts'
import { changeOf } from '../fan-out/change.fixture.ts'
import type { AnswerWebhook } from '../merchant-sink.fixture.ts'

const versions = (referenceMerchantId: string, count: number) =>
  Array.from({ length: count }, (_, index) =>
    changeOf({
      registration: { clientId: 'client', referenceMerchantId, referenceStoreId: null },
      version: index + 2,
    }),
  )

test('an endpoint that hangs with a long backlog has at most its cap of calls under way, and keeps nobody waiting', async () => {
  const scene = await openScene()
  const hanging = await scene.addSink(() => {}, { merchant: 'hanging' })
  const healthy = await Promise.all(
    Array.from({ length: 20 }, (_, index) => scene.addSink(undefined, { merchant: `healthy-${index}` })),
  )
  await scene.openFanOut()
  await scene.publish(...versions('hanging', 300))
  await scene.untilFannedOut(300)
  scene.openDelivery({ settings: { concurrency: 16, timeoutMs: 15_000 } })
  await expect.poll(() => hanging.received.length, waiting).toBe(4)

  await scene.publish(...healthy.flatMap((_, index) => versions(`healthy-${index}`, 10)))
  await expect
    .poll(() => healthy.map(({ received }) => received.length), waiting)
    .toEqual(healthy.map(() => 10))
  expect(hanging.mostAtOnce()).toBe(4)
  expect(hanging.received).toHaveLength(4)
  await expect.poll(() => scene.owed(), waiting).toBe(300)
})

test('what fails again and again leaves the other half of an endpoint’s cap to new alerts', async () => {
  const scene = await openScene()
  const gate = Promise.withResolvers<void>()
  const sink = await scene.addSink((response, n) => {
    if (n <= 4) response.writeHead(409).end()
    else void gate.promise.then(() => response.writeHead(204).end())
  })
  await scene.openFanOut()
  scene.openDelivery({ settings: { concurrency: 40, backoffMs: [1_000, 1_000] } })
  await scene.publish(...merchants(4))
  await expect.poll(() => sink.received.length, waiting).toBe(6)
  await scene.publish(...merchants(4, 3))
  await expect.poll(() => sink.received.length, waiting).toBe(8)
  const ids = sink.received.map(({ id }) => id)
  const first = new Set(ids.slice(0, 4))
  expect(ids.slice(4).map((id) => first.has(id))).toEqual([true, true, false, false])
  gate.resolve()
  await expect.poll(() => scene.owed(), waiting).toBe(0)
})

const mib = 1024 * 1024

/** What an endpoint does, and the receipt and attempts that it gets. */
const behaviours: Record<string, { answer: AnswerWebhook; receipt: object; attempts: readonly object[] }> = {
  'never answers': {
    answer: () => {},
    receipt: { outcome: 'given_up', reason: 'attempts_used_up', lastStatus: null, lastError: 'timeout' },
    attempts: [
      { class: 'none', error: 'timeout', nextInMs: null },
      { class: 'none', error: 'timeout', attempt: 1 },
    ],
  },
  'sends its head a byte at a time': {
    answer: (response) => {
      let sent = 0
      const timer = setInterval(() => response.socket?.write('HTTP/1.1 200 OK'.slice(sent, ++sent)), 200)
      response.on('close', () => clearInterval(timer))
    },
    receipt: { outcome: 'given_up', reason: 'attempts_used_up', lastError: 'timeout' },
    attempts: [{ error: 'timeout' }, { error: 'timeout' }],
  },
  'sends its body a byte at a time': {
    answer: (response) => {
      const timer = setInterval(() => response.write('x'), 200)
      response.on('close', () => clearInterval(timer))
    },
    receipt: { outcome: 'delivered', attempts: 1, lastStatus: 200 },
    attempts: [{ class: '2xx', error: null, attempt: 1, nextInMs: null }],
  },
  'resets the connection': {
    answer: (response) => void response.socket?.resetAndDestroy(),
    receipt: { outcome: 'given_up', reason: 'attempts_used_up', lastStatus: null, lastError: 'connection' },
    attempts: [{ error: 'connection' }, { error: 'connection' }],
  },
  'answers 500': {
    answer: (response) => response.writeHead(500).end(),
    receipt: { outcome: 'given_up', reason: 'attempts_used_up', lastStatus: 500, lastError: 'server_error' },
    attempts: [
      { class: '5xx', status: 500, error: 'server_error' },
      { class: '5xx', status: 500, error: 'server_error' },
    ],
  },
  'asks for two seconds': {
    answer: (response, n) => {
      if (n === 1) response.writeHead(429, { 'retry-after': '2' }).end()
      else response.writeHead(204).end()
    },
    receipt: { outcome: 'delivered', attempts: 2 },
    attempts: [{ status: 204 }, { status: 429, error: 'busy', nextInMs: between(2_000, 4_000) }],
  },
  'asks for a pause until a date': {
    answer: (response, n) => {
      const date = new Date(Math.ceil(Date.now() / 1_000 + 1) * 1_000).toUTCString()
      if (n === 1) response.writeHead(429, { 'retry-after': date }).end()
      else response.writeHead(204).end()
    },
    receipt: { outcome: 'delivered', attempts: 2 },
    attempts: [{ status: 204 }, { status: 429, nextInMs: between(500, 4_000) }],
  },
  'redirects to a metadata address': {
    answer: (response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/' }).end(),
    receipt: { outcome: 'given_up', reason: 'attempts_used_up', lastStatus: 302, lastError: 'redirected' },
    attempts: [
      { class: '3xx', error: 'redirected' },
      { class: '3xx', error: 'redirected' },
    ],
  },
  'is gone': {
    answer: (response) => response.writeHead(410).end(),
    receipt: { outcome: 'given_up', reason: 'refused', attempts: 1, lastStatus: 410, lastError: 'gone' },
    attempts: [{ class: '4xx', status: 410, error: 'gone', nextInMs: null }],
  },
  'answers with 10 MiB': {
    answer: (response) => response.writeHead(200).end(Buffer.alloc(10 * mib, 'x')),
    receipt: { outcome: 'delivered', attempts: 1, lastStatus: 200 },
    attempts: [{ class: '2xx', response: expect.stringMatching(/^x{1,1024}$/) as unknown }],
  },
}

function between(least: number, most: number): unknown {
  return expect.toSatisfy((value) => typeof value === 'number' && value >= least && value <= most)
}

test('each kind of bad endpoint ends as documented, in attempt log and receipt', async () => {
  const scene = await openScene()
  for (const { answer } of Object.values(behaviours)) await scene.addSink(answer, { keepsResponses: true })
  await scene.openFanOut()
  scene.openDelivery({ settings: { concurrency: 40, timeoutMs: 1_000, backoffMs: [300] } })
  await scene.publish(changeOf())
  await scene.untilFannedOut(1)

  await expect.poll(() => scene.owed(), waiting).toBe(0)
  const receipts = new Map((await scene.receipts()).map((receipt) => [receipt.endpointId, receipt]))
  const ended = await Promise.all(
    Object.keys(behaviours).map(async (name, index) => {
      const { attempts } = await scene.attempts.list(`endpoint-${index}`, { limit: 10 })
      return [name, { receipt: receipts.get(`endpoint-${index}`), attempts }] as const
    }),
  )
  const expected = Object.entries(behaviours).map(([name, { receipt, attempts }]) => [
    name,
    { receipt, attempts },
  ])
  expect(ended).toMatchObject(expected)
  const gone = Object.keys(behaviours).indexOf('is gone')
  expect(await scene.endpoints.view.find(`endpoint-${gone}`)).toMatchObject({
    state: 'disabled',
    reason: 'gone',
  })
})

test('a pause of decades is an hour, and then all alerts of the endpoint wait', async () => {
  const scene = await openScene()
  const sink = await scene.addSink((response) =>
    response.writeHead(429, { 'retry-after': '1000000000' }).end(),
  )
  await scene.openFanOut()
  scene.openDelivery()
  await scene.publish(changeOf())
  await expect.poll(() => sink.received.length, waiting).toBe(1)
  const listed = async () => (await scene.attempts.list('endpoint-0', { limit: 10 })).attempts
  await expect.poll(listed, waiting).toMatchObject([{ status: 429, nextInMs: between(3_600_000, 3_900_000) }])
  await scene.publish(changeOf({ version: 3 }))
  await scene.untilFannedOut(2)
  // Long enough for a job to be taken and put away again.
  const delayed = () => scene.link.redis.zcard(`${scene.keyPrefix}{bq0}:alerts:delayed`)
  await expect.poll(delayed, waiting).toBe(2)
  expect(sink.received).toHaveLength(1)
})
