import { expect, test } from 'vitest'
import { parsePosition, positionText, readQuarantined } from './quarantined-record.ts'
import { asideByProcessor, createScene, notification } from './set-aside.fixture.ts'

test('a record that a processor set aside tells why, from where, and the original byte for byte', () => {
  const scene = createScene()
  const raw = scene.append(notification({ id: 'n7', merchant: 'M 1' }))
  const aside = scene.append(asideByProcessor(raw, 'wrong_type', 'referenceStoreId'))
  expect(readQuarantined(aside)).toEqual({
    partition: aside.partition,
    offset: 0n,
    setAsideMs: aside.timestampMs,
    reason: 'wrong_type',
    where: 'referenceStoreId',
    origin: {
      topic: 'registration.raw.v1',
      partition: raw.partition,
      offset: '0',
      timestampMs: raw.timestampMs,
    },
    kind: 'notification',
    clientId: 'C1',
    notificationId: 'n7',
    source: `registration.raw.v1/${raw.partition}/0`,
    attributedTo: null,
    key: 'C1/M%201',
    value: raw.value,
    headers: raw.headers,
  })
})

test('what an ingress set aside was first of all in quarantine', () => {
  const scene = createScene()
  const aside = scene.refuse('over_age')
  expect(readQuarantined(aside)).toMatchObject({
    origin: null,
    source: `registration.quarantine.v1/${aside.partition}/0`,
  })
})

test('what was put back and set aside again keeps its first place and its merchant', () => {
  const scene = createScene()
  const headers = { 'replayed-from': 'registration.raw.v1/3/42', 'attributed-to': 'M9' }
  expect(readQuarantined(scene.setAside('wrong_type', { headers }))).toMatchObject({
    source: 'registration.raw.v1/3/42',
    attributedTo: 'M9',
  })
})

test.each([
  ['no note', {}],
  ['an empty reason', { 'dlq-error-code': '', 'dlq-error-message': '' }],
  [
    'half an origin',
    { 'dlq-error-code': 'x', 'dlq-error-message': '', 'dlq-original-topic': 'registration.raw.v1' },
  ],
])('with %s a record is not one of quarantine', (_, headers) => {
  const scene = createScene()
  expect(readQuarantined(scene.append({ ...notification(), headers }))).toBeNull()
})

test('headers that say nothing of a sender leave it open', () => {
  const scene = createScene()
  const alien = scene.append({ ...notification(), headers: { hello: 'world' } })
  const read = readQuarantined(scene.append(asideByProcessor(alien, 'unreadable_record', 'headers')))
  expect(read).toMatchObject({ kind: null, clientId: null, notificationId: null })
})

test.each([
  ['3-42', { partition: 3, offset: 42n }],
  ['0-9007199254740993', { partition: 0, offset: 9_007_199_254_740_993n }],
  ['3', null],
  ['3-', null],
  ['-3-4', null],
  ['3-4-5', null],
  ['a-1', null],
])('the position %s is read, or known not to be one', (text, position) => {
  expect(parsePosition(text)).toEqual(position)
})

test('a position that is written is read as the same', () => {
  const position = { partition: 11, offset: 9_007_199_254_740_993n }
  expect(parsePosition(positionText(position))).toEqual(position)
})
