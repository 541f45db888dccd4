import { randomUUID } from 'node:crypto'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { expect, onTestFinished, test, vi } from 'vitest'
import { redisUrl } from '../infra.fixture.ts'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'
import { createAlertBook } from './alert-book.ts'

const log = createLogger('alerts-test', { level: 'silent' })
const hourMs = 60 * 60 * 1000
const partition = 3
const skips = { skipsSuperseded: true }

async function openBook() {
  const keyPrefix = `test-${randomUUID().slice(0, 8)}:`
  const link = await openRedisLink({ url: redisUrl, variable: 'QUEUE_REDIS_URL', log })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const { redis } = link
  const clock = { nowMs: Date.UTC(2026, 0, 10, 12) }
  const book = createAlertBook({ redis, keyPrefix, now: () => clock.nowMs })
  const keys = async () => {
    const found: string[] = []
    for await (const page of redis.scanStream({ match: `${keyPrefix}*`, count: 1_000 })) found.push(...page)
    return found.map((key) => key.slice(keyPrefix.length)).toSorted()
  }
  /** Owes alerts whatever stands. */
  const owe = async (
    alerts: readonly (OwedAlert & { isLatest?: boolean })[],
    of: { changedSinceMs?: number } = {},
  ) => {
    const bodies = alerts.map(({ subject, version, variant }) => ({
      subject,
      version,
      variant,
      body: `{"subject":"${subject}"}`,
    }))
    const watermark = await book.watermark(partition)
    const owing = `cluster changes ${randomUUID()}`
    return book.owe({ partition, watermark, owing, nowMs: clock.nowMs, bodies, alerts, ...of })
  }
  return { book, redis, keyPrefix, clock, keys, owe }
}

const alertOf = (of: Partial<OwedAlert> = {}) =>
  owedAlert({
    subject: 'client/merchant/',
    version: 1,
    endpointId: 'one',
    variant: '',
    partition,
    owedSinceMs: 0,
    ...of,
  })

test('a settled alert leaves its marker and nothing else, in at most 120 bytes', async () => {
  const { book, redis, keyPrefix, clock, keys, owe } = await openBook()
  const count = 6_000
  const subjects = Array.from({ length: count / 2 }, (_, index) => `client/merchant-${index}/`)
  const alerts = subjects.flatMap((subject) => [
    alertOf({ subject, endpointId: 'one' }),
    alertOf({ subject, endpointId: 'two', variant: 'Zm9vYmFyLV8' }),
  ])
  for (let start = 0; start < alerts.length; start += 200) {
    const owed = await owe(alerts.slice(start, start + 200))
    await book.raiseOutstanding(
      new Map([
        ['one', 100],
        ['two', 100],
      ]),
    )
    for (const { alert } of owed ?? []) {
      await book.keep(alert, progress)
      await book.settle(partition, [{ alert, isCountedDown: false }], clock.nowMs)
    }
  }
  const left = await keys()
  expect(left.filter((key) => !key.startsWith('{c3}:settled:'))).toEqual(['{c3}:fan-out'])
  const sizes = await Promise.all(
    left.map((key) => redis.memory('USAGE', `${keyPrefix}${key}`, 'SAMPLES', 0)),
  )
  const bytes = sizes.reduce((sum: number, size) => sum + Number(size), 0)
  expect(
    await book.settledAmong(
      partition,
      alerts.map(({ id }) => id),
    ),
  ).toHaveProperty('size', count)
  process.stdout.write(`bytes per settled alert: ${(bytes / count).toFixed(1)}\n`)
  expect(bytes / count).toBeLessThanOrEqual(120)
})

const progress = {
  attempts: 1,
  firstAttemptAt: 1,
  lastAttemptAt: 1,
  lastStatus: 503,
  lastError: 'server_error',
  dueAtMs: null,
  outcome: null,
}

test.each([
  ['at once', 0],
  ['72 hours later', 72],
  ['by a process whose clock is two hours behind', -2],
])('an alert that was settled just before midnight is known to be settled %s', async (_, hours) => {
  const { book, clock, owe } = await openBook()
  clock.nowMs = Date.UTC(2026, 0, 10, 23, 59, 59)
  await owe([alertOf()])
  await book.settle(partition, [{ alert: alertOf(), isCountedDown: false }], clock.nowMs)
  clock.nowMs += hours * hourMs
  expect((await book.begin(alertOf(), skips)).isSettled).toBe(true)
  expect(await owe([alertOf()])).toEqual([])
})

test('one that was settled by a clock that is two hours behind, on the day before it was caused, is known to be', async () => {
  const { book, clock, owe } = await openBook()
  const causedMs = Date.UTC(2026, 0, 10, 1, 59)
  const alert = alertOf({ owedSinceMs: causedMs })
  await book.settle(partition, [{ alert, isCountedDown: false }], Date.UTC(2026, 0, 9, 23, 59, 30))
  for (const hours of [0, 72]) {
    clock.nowMs = causedMs + hours * hourMs
    expect((await book.begin(alert, skips)).isSettled).toBe(true)
    expect(await owe([alert], { changedSinceMs: causedMs })).toEqual([])
  }
})

test('receipts of many alerts become a marker each, also where several share a key', async () => {
  const { book, clock, keys } = await openBook()
  const ids = ['a-otherA', 'a-otherB', 'a-another', 'a-otherC', 'a-third']
  const next = 'a b 5'
  await book.markSettled({ partition, watermark: null, next, ids, nowMs: clock.nowMs })
  const asked = [...ids, 'a-otherD']
  expect(await book.settledAmong(partition, asked)).toEqual(new Set(ids))
  expect((await keys()).filter((key) => key.includes(':settled:'))).toHaveLength(3)
})

test('every key of what is settled, kept or owed by body expires', async () => {
  const { book, redis, keyPrefix, clock, keys, owe } = await openBook()
  await owe([alertOf({ version: 1 }), { ...alertOf({ version: 2 }), isLatest: true }])
  await book.raiseOutstanding(new Map([['one', 2]]))
  await book.settle(partition, [{ alert: alertOf({ version: 1 }), isCountedDown: false }], clock.nowMs)
  await book.keep(alertOf({ version: 2 }), progress)
  await book.markSettled({ partition, watermark: null, next: 'a b 1', ids: ['a-other'], nowMs: clock.nowMs })
  const lives = new Map<string, number>()
  for (const key of await keys()) lives.set(key, await redis.ttl(`${keyPrefix}${key}`))
  const forEver = [...lives].filter(([, seconds]) => seconds < 0).map(([key]) => key)
  expect(forEver).toEqual(['{c3}:fan-out', '{c3}:owed', '{c3}:receipts'])
  const markers = [...lives].filter(([key]) => key.includes(':settled:')).map(([, seconds]) => seconds)
  expect(markers).toHaveLength(2)
  for (const seconds of markers) expect(seconds).toBeGreaterThan(95 * 3_600)
})

test('an older version is superseded for endpoints that skip it, and for no others', async () => {
  const { book, owe } = await openBook()
  const skipping = (version: number) => ({ ...alertOf({ version, endpointId: 'skips' }), isLatest: true })
  await owe([skipping(2), alertOf({ version: 2 })])
  await owe([skipping(1), skipping(3), alertOf({ version: 1 }), alertOf({ version: 3 })])
  const found = await Promise.all(
    [1, 2, 3].map(async (version) => [
      (await book.begin(skipping(version), skips)).isSuperseded,
      (await book.begin(alertOf({ version }), skips)).isSuperseded,
    ]),
  )
  expect(found).toEqual([
    [true, false],
    [true, false],
    [false, false],
  ])
})

test('the fan-outs of changes and of endpoints have a watermark each', async () => {
  const { book, redis, keyPrefix } = await openBook()
  const endpoints = createAlertBook({ redis, keyPrefix, fanOut: 'endpoints' })
  await book.advance({ partition, from: null, to: 'a b 1' })
  expect(await endpoints.watermark(partition)).toBeNull()
  expect(await endpoints.advance({ partition, from: null, to: 'a c 2' })).toBe(true)
  expect(await book.watermark(partition)).toBe('a b 1')
})

test('what is kept of an alert comes back, also after all scripts are forgotten', async () => {
  const { book, redis, owe } = await openBook()
  await owe([alertOf()])
  await book.keep(alertOf(), progress)
  await redis.script('FLUSH')
  expect(await book.begin(alertOf(), skips)).toEqual({
    isSettled: false,
    isSuperseded: false,
    progress,
    body: '{"subject":"client/merchant/"}',
  })
})

test('the keys of a script share one hash tag', async () => {
  const { book, redis, clock, owe } = await openBook()
  const calls = vi.spyOn(redis, 'evalsha')
  await owe([{ ...alertOf(), isLatest: true }])
  await book.raiseOutstanding(new Map([['one', 1]]))
  await book.begin(alertOf(), skips)
  await book.settledAmong(partition, [alertOf().id])
  await book.markSettled({ partition, watermark: null, next: 'a b 1', ids: ['a-other'], nowMs: clock.nowMs })
  await book.settle(partition, [{ alert: alertOf(), isCountedDown: false }], clock.nowMs)
  expect(calls.mock.calls.length).toBeGreaterThanOrEqual(6)
  for (const [, count, ...rest] of calls.mock.calls) {
    const keys = rest.slice(0, Number(count)).map(String)
    expect(new Set(keys.map((key) => /\{[^}]*\}/.exec(key)?.[0])).size).toBe(1)
  }
})
