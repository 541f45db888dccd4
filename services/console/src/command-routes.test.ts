import { readRecord } from '@signalbox/contracts/read-record'
import { partitionOf } from '@signalbox/kafka/partition'
import { describe, expect, test } from 'vitest'
import { createConsoleApp, nowMs, partitions, sha256 } from './console-app.fixture.ts'

const raw = 'registration.raw.v1'
const ids = { clientId: 'C1', referenceMerchantId: 'M 1' }
const opened = { ...ids, registrationRequestId: 'R1' }

test('an opening is appended under its merchant, and the processor understands it', async () => {
  const console = createConsoleApp()
  const answer = await console.ask('POST', '/v1/registrations/opened', 'all-operator', {
    ...opened,
    referenceStoreId: 'S1',
    openedAt: '2026-05-31T10:00:00+08:00',
    productCodes: ['IN_STORE_PAYMENT'],
  })
  expect([answer.statusCode, answer.json()]).toEqual([202, { notificationId: 'id-1' }])
  const [record] = console.memory.recordsOf(raw)
  if (record === undefined) throw new Error('nothing was appended')
  expect(record).toMatchObject({ key: 'C1/M%201', partition: partitionOf('C1/M%201', partitions) })
  expect(record.headers.get('issued-by')?.toString()).toBe('Olga')
  expect(readRecord(record)).toMatchObject({
    cause: { notificationId: 'id-1', requestTime: new Date(nowMs).toISOString() },
    kind: 'statement',
    statement: {
      kind: 'opening',
      registration: { clientId: 'C1', referenceMerchantId: 'M 1', referenceStoreId: 'S1' },
      round: 'R1',
      openedAtMs: Date.UTC(2026, 4, 31, 2),
      productCodes: ['IN_STORE_PAYMENT'],
    },
  })
})

test('without a time a registration is opened now, and without a store it has none', async () => {
  const console = createConsoleApp()
  await console.ask('POST', '/v1/registrations/opened', 'admin', opened)
  const [record] = console.memory.recordsOf(raw)
  expect(JSON.parse(String(record?.value))).toEqual({
    command: 'registration.opened',
    referenceMerchantId: 'M 1',
    registrationRequestId: 'R1',
    openedAt: new Date(nowMs).toISOString(),
    productCodes: [],
  })
})

test('an erasure is appended, and the processor understands it', async () => {
  const console = createConsoleApp()
  const answer = await console.ask('POST', '/v1/registrations/erased', 'admin', ids)
  expect(answer.statusCode).toBe(202)
  const [record] = console.memory.recordsOf(raw)
  if (record === undefined) throw new Error('nothing was appended')
  expect(readRecord(record)).toMatchObject({ kind: 'statement', statement: { kind: 'erasure' } })
})

test('each order is one line in the log, with who gave it and without whom it was about', async () => {
  const console = createConsoleApp()
  await console.ask('POST', '/v1/registrations/opened', 'all-operator', opened)
  await console.ask('POST', '/v1/registrations/erased', 'one-admin', ids)
  const actions = console.logged().filter(({ msg }) => msg === 'operator.action')
  expect(actions).toMatchObject([
    { action: 'registration.opened', token: 'Olga', outcome: 'appended', notificationId: 'id-1' },
    {
      action: 'registration.erased',
      token: `token ${sha256('one-admin').slice(0, 8)}`,
      notificationId: 'id-2',
    },
  ])
  expect(console.loggedText()).not.toMatch(/M 1|C1|R1/)
})

test.each([
  ['opened', opened, /given twice, it counts once/],
  ['erased', ids, /shows no erasedAt .* makes one more version/],
])('what Kafka does not confirm of %s is told, with what to do', async (command, body, message) => {
  const console = createConsoleApp()
  console.failAppends(new Error('Kafka has not confirmed all of 1 records'))
  const answer = await console.ask('POST', `/v1/registrations/${command}`, 'admin', body)
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '2'])
  const { error } = answer.json<{ error: { code: string; message: string } }>()
  expect(error.code).toBe('unavailable')
  expect(error.message).toMatch(message)
})

describe('refused, and nothing is appended:', () => {
  test.each([
    ['no body', undefined, /Send one JSON object/],
    ['a list', [], /Send one JSON object/],
    ['no merchant', { clientId: 'C1', registrationRequestId: 'R1' }, /member referenceMerchantId is missing/],
    ['no request id', ids, /member registrationRequestId is missing/],
    ['an empty store', { ...opened, referenceStoreId: '' }, /referenceStoreId is empty/],
    ['a number', { ...opened, referenceStoreId: 5 }, /referenceStoreId must be a text/],
    ['an over-long store', { ...opened, referenceStoreId: 's'.repeat(33) }, /at most 32 characters/],
    ['half a character', { ...opened, registrationRequestId: '\ud800' }, /no id has/],
    ['a time without offset', { ...opened, openedAt: '2026-05-31T10:00:00' }, /openedAt must be a time with/],
    ['a time to come', { ...opened, openedAt: '2026-06-01T14:00:00Z' }, /not be in the future/],
    ['a time of the last century', { ...opened, openedAt: '1999-12-31T23:59:59.999Z' }, /2000 or later/],
    [
      'a time that the processor cannot read',
      { ...opened, openedAt: '0000-01-01T00:00:00+23:59' },
      /openedAt must be the time of the registration, 2000 or later: correct it/,
    ],
    ['a text of codes', { ...opened, productCodes: 'X' }, /productCodes must be a list/],
    ['an unknown member', { ...opened, store: 'S1' }, /Known are: clientId, referenceMerchantId/],
  ])('an opening with %s', async (_, body, message) => {
    const console = createConsoleApp()
    const answer = await console.ask('POST', '/v1/registrations/opened', 'admin', body)
    expect(answer.statusCode).toBe(400)
    expect(answer.json<{ error: { message: string } }>().error.message).toMatch(message)
    expect(console.memory.recordsOf(raw)).toEqual([])
  })

  test('a body that is no JSON', async () => {
    const console = createConsoleApp()
    const answer = await console.app.inject({
      method: 'POST',
      url: '/v1/registrations/erased',
      headers: { authorization: 'Bearer admin', 'content-type': 'application/json' },
      payload: '{"clientId":',
    })
    expect([answer.statusCode, answer.json<{ error: { code: string } }>().error.code]).toEqual([
      400,
      'bad_request',
    ])
  })
})
