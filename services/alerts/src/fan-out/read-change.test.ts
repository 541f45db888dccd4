import { readChange } from '@signalbox/alert-endpoints/read-change'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { expect, test } from 'vitest'
import { changeOf } from './change.fixture.ts'

const encoded = encodeChange(changeOf(), { timeMs: Date.UTC(2026, 0, 2), traceparent: null })
const headers = new Map(Object.entries(encoded.headers).map(([name, text]) => [name, Buffer.from(text)]))
const value = Buffer.from(encoded.value)

test('what the processor writes is read back with the time of its cause', () => {
  expect(readChange({ value, headers })).toEqual({
    kind: 'change',
    change: changeOf(),
    causedAt: '2026-01-02T00:00:00.000Z',
  })
})

test.each([
  ['has no value', { value: null, headers }, 'value'],
  ['is not JSON', { value: Buffer.from('{'), headers }, 'value'],
  ['is no change', { value: Buffer.from('{"version":1}'), headers }, 'value.registration'],
  ['names no time', { value, headers: new Map() }, 'causedAt'],
])('a record that %s is unreadable, and says where', (_, record, where) => {
  expect(readChange(record)).toEqual({
    kind: 'unreadable',
    problem: expect.stringContaining(`${where}:`) as unknown,
  })
})
