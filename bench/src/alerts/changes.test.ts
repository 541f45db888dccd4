import { alertBody } from '@signalbox/contracts/alert'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { expect, test } from 'vitest'
import { alertIdOf, changeRecord, createChanges, plainBodyOf } from './changes.ts'

const merchants = ['m-0', 'm-1', 'm-2']

test('every change of a run owes an alert of its own, in turns to all merchants', () => {
  const changes = createChanges()
  const made = [...changes.take(30, merchants), ...changes.take(30, merchants)]
  const ids = made.map((change) => alertIdOf(change, change.registration.referenceMerchantId))
  expect(new Set(ids).size).toBe(60)
  for (const merchant of merchants) {
    expect(made.filter(({ registration }) => registration.referenceMerchantId === merchant)).toHaveLength(20)
  }
})

test('a change is one that a processor could have published, and all of a merchant meet in a partition', () => {
  const made = createChanges().take(60, merchants)
  const records = made.map((change) => changeRecord(change, { topic: 't', partitions: 12, timeMs: 1_000 }))
  for (const [index, { value, headers }] of records.entries()) {
    expect(registrationChange.parse(JSON.parse(String(value)))).toEqual(made[index])
    expect(headers).toMatchObject({ ce_time: '1970-01-01T00:00:01.000Z' })
  }
  const firsts = records.slice(0, merchants.length).map(({ partition }) => partition)
  expect(records.map(({ partition }) => partition)).toEqual(
    records.map((_, index) => firsts[index % merchants.length]),
  )
})

test('all variants send a body of the contract', () => {
  const [change] = createChanges().take(1, merchants)
  if (change === undefined) throw new Error('one was asked for')
  const body = alertBody.parse(JSON.parse(plainBodyOf(change, { timestamp: '2026-01-02T03:04:05.000Z' })))
  expect(body).toMatchObject({ data: { version: 1, events: [{ type: 'entry.approved' }] } })
})
