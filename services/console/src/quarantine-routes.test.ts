import { encodeQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { partitionOf } from '@signalbox/kafka/partition'
import { merchantKey } from '@signalbox/contracts/keys'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createConsoleApp, partitions } from './console-app.fixture.ts'

const raw = 'registration.raw.v1'

/** Appends a notification to raw and to quarantine, as a processor leaves it. */
function setAside(
  { memory }: ReturnType<typeof createConsoleApp>,
  of: {
    clientId?: string
    merchant?: string | null
    reason?: string
    body?: string | Buffer
    id?: string
  } = {},
): string {
  const { clientId = 'C1', merchant = 'M1', reason = 'wrong_type', id = 'n1' } = of
  const key = merchant === null ? `${clientId}//R1` : merchantKey({ clientId, referenceMerchantId: merchant })
  const headers = encodeRawHeaders({
    kind: 'notification',
    notificationId: id,
    requestUri: '/notify',
    clientId,
    requestTime: '1704135845000',
    requestTimeMs: 1_704_135_845_000,
    signature: 'algorithm=RSA256,keyVersion=1,signature=abc',
    keyVersion: '1',
    dialect: 'ams',
    push: false,
    traceparent: null,
  })
  const named = merchant === null ? { registrationRequestId: 'R1' } : { referenceMerchantId: merchant }
  const value = of.body ?? JSON.stringify(named)
  const record = { topic: raw, partition: partitionOf(key, partitions), key, value, headers }
  const { topic, partition, offset, timestampMs, headers: original } = memory.append(record)
  const origin = { topic, partition, offset: String(offset), timestampMs }
  const note = { origin, reason, where: 'referenceStoreId' }
  const aside = memory.append({
    ...record,
    topic: 'registration.quarantine.v1',
    headers: encodeQuarantineHeaders(original, note),
  })
  return `${aside.partition}-${aside.offset}`
}

const list = z.object({
  records: z.array(z.looseObject({ position: z.string(), clientId: z.string().nullable() })),
  next: z.string().nullable(),
  complete: z.boolean(),
  byReason: z.record(z.string(), z.number()),
})

const containing = (text: string): unknown => expect.stringContaining(text)

const refusal = (message: string) => [409, { error: { code: 'refused', message: containing(message) } }]

function redrive(console: ReturnType<typeof createConsoleApp>, body: object, token = 'all-operator') {
  return console.ask('POST', '/v1/quarantine/redrive', token, body)
}

function putBackIn({ memory }: ReturnType<typeof createConsoleApp>) {
  return memory.recordsOf(raw).filter(({ headers }) => headers.has('replayed-from'))
}

describe('the list', () => {
  test('tells where each record is, why it is there and where it came from', async () => {
    const console = createConsoleApp()
    const position = setAside(console)
    const answer = list.parse((await console.ask('GET', '/v1/quarantine')).json())
    expect(answer).toMatchObject({
      records: [
        {
          position,
          reason: 'wrong_type',
          where: 'referenceStoreId',
          clientId: 'C1',
          kind: 'notification',
          notificationId: 'n1',
          origin: { topic: raw, offset: '0' },
          source: containing('registration.raw.v1/'),
        },
      ],
      next: null,
      complete: true,
      byReason: { wrong_type: 1 },
    })
  })

  test('selects, and goes on page by page', async () => {
    const console = createConsoleApp()
    for (let number = 0; number < 5; number++) setAside(console, { merchant: `M${number}` })
    setAside(console, { reason: 'too_deep' })
    const url = '/v1/quarantine?reason=wrong_type&limit=3'
    const first = list.parse((await console.ask('GET', url)).json())
    const second = list.parse((await console.ask('GET', `${url}&cursor=${first.next}`)).json())
    const positions = [...first.records, ...second.records].map(({ position }) => position)
    expect([first.records.length, second.records.length, new Set(positions).size]).toEqual([3, 2, 5])
    expect(second.next).toBeNull()
  })

  test('holds what the bearer may see, and nothing else', async () => {
    const console = createConsoleApp()
    setAside(console, { clientId: 'C1' })
    const position = setAside(console, { clientId: 'C2' })
    const seen = async (token: string) =>
      list
        .parse((await console.ask('GET', '/v1/quarantine', token)).json())
        .records.map((one) => one.clientId)
    expect(await seen('one-viewer')).toEqual(['C1'])
    expect(await seen('none')).toEqual([])
    expect(await seen('all-viewer')).toEqual(['C2', 'C1'])
    const foreign = await console.ask('GET', `/v1/quarantine/${position}`, 'one-viewer')
    const missing = await console.ask('GET', '/v1/quarantine/0-99', 'one-viewer')
    expect([foreign.statusCode, foreign.json()]).toEqual([404, missing.json()])
  })

  test('selects by the request id that the body names', async () => {
    const console = createConsoleApp()
    setAside(console)
    const position = setAside(console, { merchant: null })
    const found = async (id: string) =>
      list.parse((await console.ask('GET', `/v1/quarantine?registrationRequestId=${id}`)).json()).records
    expect(await found('R1')).toMatchObject([{ position }])
    expect(await found('R2')).toEqual([])
  })

  test.each([
    ['reason=wrong', /reason must be one of over_age, not_json_object/],
    ['from=yesterday', /from must be a time with its offset/],
    ['limit=201', /limit must be a whole number from 1 to 200/],
    ['cursor=1', /cursor is none that this list gave/],
    [
      'page=2',
      /not known here\. Known are: reason, clientId, registrationRequestId, from, to, limit, cursor/,
    ],
  ])('asked with %s says what to do', async (query, message) => {
    const answer = await createConsoleApp().ask('GET', `/v1/quarantine?${query}`)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ error: { message: string } }>().error.message).toMatch(message)
  })
})

describe('one record', () => {
  test('comes with its headers, its text, what it means and what to do', async () => {
    const console = createConsoleApp()
    const position = setAside(console, { merchant: null, reason: 'unattributable' })
    expect((await console.ask('GET', `/v1/quarantine/${position}`, 'one-viewer')).json()).toMatchObject({
      position,
      meaning: containing('names no merchant'),
      whatToDo: containing('--attributed-to'),
      registrationRequestId: 'R1',
      redrive: { possible: false, why: containing('names no merchant') },
      key: 'C1//R1',
      headers: { 'notification-id': 'n1', dialect: 'ams' },
      body: { bytes: 30, text: '{"registrationRequestId":"R1"}' },
    })
  })

  test('whose bytes are no text comes as base64', async () => {
    const console = createConsoleApp()
    const position = setAside(console, { body: Buffer.from([0xff, 0x00]) })
    const answer = await console.ask('GET', `/v1/quarantine/${position}`)
    expect(answer.json()).toMatchObject({ redrive: { possible: true }, body: { bytes: 2, base64: '/wA=' } })
  })

  test('at something that is no position is refused', async () => {
    expect((await createConsoleApp().ask('GET', '/v1/quarantine/latest')).statusCode).toBe(400)
  })
})

describe('a redrive', () => {
  test('puts back what is selected, once, and a dry run before it nothing', async () => {
    const console = createConsoleApp()
    for (const merchant of ['M1', 'M2']) setAside(console, { merchant })
    setAside(console, { merchant: null, reason: 'unattributable' })
    const selection = { from: '2020-01-01T00:00:00Z' }
    const dry = await redrive(console, { selection, dryRun: true })
    expect(dry.json()).toEqual({
      dryRun: true,
      selected: 3,
      byReason: { unattributable: 1, wrong_type: 2 },
      putBack: 2,
      redrivenBefore: 0,
      impossible: [{ obstacle: 'no_merchant', records: 1, why: containing('names no merchant') }],
      unfit: {},
      remaining: 0,
      goOnFrom: null,
    })
    expect(putBackIn(console)).toEqual([])
    expect((await redrive(console, { selection })).json()).toEqual({ ...dry.json<object>(), dryRun: false })
    expect((await redrive(console, { selection })).json()).toMatchObject({ putBack: 0, redrivenBefore: 2 })
    expect((await redrive(console, { selection, again: true })).json()).toMatchObject({ putBack: 2 })
    expect(putBackIn(console)).toHaveLength(4)
  })

  test('of one record to a merchant stands under that merchant', async () => {
    const console = createConsoleApp()
    const position = setAside(console, { merchant: null, reason: 'unattributable' })
    const answer = await redrive(console, { selection: { position }, attributedTo: 'M9' }, 'one-operator')
    expect(answer.json()).toMatchObject({ selected: 1, putBack: 1 })
    expect(putBackIn(console)).toMatchObject([{ key: 'C1/M9', partition: partitionOf('C1/M9', partitions) }])
  })

  test('puts back nothing of a client that the bearer may not see', async () => {
    const console = createConsoleApp()
    const position = setAside(console, { clientId: 'C2' })
    setAside(console, { clientId: 'C1' })
    const all = await redrive(console, { selection: { reason: 'wrong_type' } }, 'one-operator')
    expect(all.json()).toMatchObject({ selected: 1, putBack: 1 })
    expect((await redrive(console, { selection: { position } }, 'one-operator')).statusCode).toBe(404)
    expect(putBackIn(console)).toMatchObject([{ key: 'C1/M1' }])
  })

  test('that cannot be done as asked says what to do', async () => {
    const console = createConsoleApp()
    for (const clientId of ['C1', 'C2'])
      setAside(console, { clientId, merchant: null, reason: 'unattributable' })
    const refused = async (selection: object) => {
      const answer = await redrive(console, { selection, attributedTo: 'M1' })
      return [answer.statusCode, answer.json<object>()]
    }
    expect(await refused({ reason: 'unattributable' })).toEqual(refusal('registrationRequestId'))
    expect(await refused({ registrationRequestId: 'R1' })).toEqual(refusal('name the client'))
    expect(putBackIn(console)).toEqual([])
    const selection = { registrationRequestId: 'R1', clientId: 'C2' }
    expect((await redrive(console, { selection, attributedTo: 'M1' })).json()).toMatchObject({ putBack: 1 })
  })

  test('that Kafka does not confirm is told with what was put back', async () => {
    const console = createConsoleApp()
    setAside(console)
    console.failAppends(new Error('Kafka has not confirmed all of 1 records'))
    const answer = await redrive(console, { selection: { reason: 'wrong_type' } })
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '2'])
    expect(answer.json()).toMatchObject({ error: { code: 'unavailable' }, putBack: 0, remaining: 1 })
  })

  test('is one line in the log, with who asked and what it came to', async () => {
    const console = createConsoleApp()
    setAside(console)
    await redrive(console, { selection: { reason: 'wrong_type' } })
    const actions = console.logged().filter(({ msg }) => msg === 'operator.action')
    expect(actions).toMatchObject([
      { action: 'quarantine.redrive', token: 'Olga', dryRun: false, outcome: 'done', putBack: 1 },
    ])
    expect(console.loggedText()).not.toMatch(/M1|"C1"/)
  })

  test.each([
    [{}, /member selection/],
    [{ selection: {} }, /at least one of reason, registrationRequestId, from and to/],
    [{ selection: { clientId: 'C1' } }, /at least one of reason, registrationRequestId, from and to/],
    [{ selection: { position: '3-4', reason: 'wrong_type' } }, /a position alone/],
    [{ selection: { position: '34' } }, /selection\.position must be a position such as 3-42/],
    [{ selection: { reason: 'wrong_type', merchant: 'M' } }, /not known here\. It is in selection/],
    [{ selection: { reason: 'wrong_type' }, dryRun: 'yes' }, /dryRun must be true or false/],
    [{ selection: { reason: 'wrong_type' }, attributedTo: '' }, /attributedTo is empty/],
  ])('with the body %j is refused', async (body, message) => {
    const console = createConsoleApp()
    setAside(console)
    const answer = await redrive(console, body)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ error: { message: string } }>().error.message).toMatch(message)
    expect(putBackIn(console)).toEqual([])
  })
})

test('a fifth who asks at the same time is told to come later', async () => {
  const console = createConsoleApp()
  setAside(console)
  const answers = await Promise.all(Array.from({ length: 5 }, () => console.ask('GET', '/v1/quarantine')))
  expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([
    200, 200, 200, 200, 429,
  ])
  expect((await console.ask('GET', '/v1/quarantine')).statusCode).toBe(200)
})

test('nothing is read for a list whose asker is gone', async () => {
  const console = createConsoleApp()
  for (let number = 0; number < 30; number++) setAside(console, { id: `n${number}` })
  const { log } = console.memory
  const read = log.read.bind(log)
  const asking = new AbortController()
  const hungUp = Promise.withResolvers<void>()
  console.app.server.on('connection', (socket) => socket.once('close', () => hungUp.resolve()))
  const ended = Promise.withResolvers<void>()
  let batches = 0
  log.read = async function* (range) {
    try {
      for await (const records of read(range)) {
        batches += 1
        asking.abort()
        await hungUp.promise
        yield records
      }
    } finally {
      ended.resolve()
    }
  }
  const address = await console.app.listen({ host: '127.0.0.1', port: 0 })
  const headers = { authorization: 'Bearer admin' }
  await expect(fetch(`${address}/v1/quarantine`, { headers, signal: asking.signal })).rejects.toThrow()
  await ended.promise
  await console.app.close()
  expect(batches).toBe(1)
  expect(console.loggedText()).not.toContain('quarantine.unavailable')
})

test('a Kafka that cannot be read is told, with when to ask again', async () => {
  const console = createConsoleApp()
  console.memory.log.bounds = async () => {
    throw new Error('registration.quarantine.v1: no broker answers')
  }
  for (const url of ['/v1/quarantine', '/v1/quarantine/0-0']) {
    const answer = await console.ask('GET', url)
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '2'])
    expect(answer.body).not.toContain('broker')
  }
})
