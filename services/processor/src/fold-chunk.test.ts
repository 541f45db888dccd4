import assert from 'node:assert/strict'
import { registrationChange } from '@signalbox/contracts/registration-change'
import { registrationState } from '@signalbox/contracts/registration-state'
import { registrationKey } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import { topics } from '@signalbox/contracts/topics'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord } from '@signalbox/kafka/producer'
import { foldVersion } from '@signalbox/registration/fold'
import { attentionOf } from '@signalbox/registration/attention'
import type {
  Books,
  OutcomeCounts,
  StoredRegistration,
} from '@signalbox/registration-store/registration-store'
import { unpackStored } from '@signalbox/registration-store/stored-registration'
import { naiveOracle } from '@signalbox/naive-oracle/naive-oracle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FoldedChunk, foldChunk, type FoldSettings } from './fold-chunk.ts'
import {
  answerOf,
  bodyOf,
  commandRecord,
  inquiryRecord,
  logStartMs,
  oracleRecord,
  randomRaw,
  rawRecord,
} from './raw-log.fixture.ts'
import { readKeptState, readStanding } from './read-state.ts'
import { randomLog } from './random-log.fixture.ts'

const settings: FoldSettings = { clusterId: 'cluster', topics, outputBytes: 10_000_000 }

type Loaded = { loaded?: ReadonlyMap<string, StoredRegistration>; countedThrough?: bigint }

/** Folds records that stand at the offsets from 0 on. */
function foldBodies(bodies: readonly string[], options: Loaded & Partial<FoldSettings> = {}) {
  const records = bodies.map((body, index) => rawRecord({ offset: BigInt(index), body }))
  return foldRecords(records, options)
}

function foldRecords(
  records: readonly ReturnType<typeof rawRecord>[],
  { loaded = new Map(), countedThrough, ...changed }: Loaded & Partial<FoldSettings> = {},
) {
  return foldChunk(records.map(readRecord), {
    loaded,
    countedThrough: countedThrough ?? null,
    settings: { ...settings, ...changed },
  })
}

const parsed = (record: LogRecord): unknown => JSON.parse(String(record.value))
const changeOf = (record: LogRecord) => registrationChange.parse(parsed(record))
const stateOf = (record: LogRecord) => registrationState.parse(parsed(record))
const toSave = ({ registrations }: FoldedChunk) =>
  registrations.map(({ registration, packed }) => ({ registration, stored: unpackStored(packed) }))

const pending = bodyOf({ round: 'R', entries: [{ codes: ['CASHIER_PAYMENT', 'IN_STORE_PAYMENT'] }] })
const answered = bodyOf({
  round: 'R',
  collective: 'COMPLETED',
  entries: [
    { codes: ['IN_STORE_PAYMENT'], status: 'REJECTED', reason: 'blurred photo' },
    { codes: ['CASHIER_PAYMENT'], status: 'APPROVED' },
  ],
})

describe('the first notification of a registration', () => {
  const folded = foldRecords([
    rawRecord({
      offset: 41n,
      partition: 5,
      body: answered,
      appendTimeMs: Date.UTC(2024, 4, 1),
      headers: { requestTime: '2024-05-01T08:00:00+08:00', traceparent: '00-abc-def-01' },
    }),
  ])

  test('makes version 1 as a change', () => {
    expect(folded.outcomes).toEqual(['applied'])
    expect(folded.changes).toHaveLength(1)
    const [change] = folded.changes
    assert(change !== undefined)
    expect(change).toMatchObject({
      topic: 'registration.changes.v1',
      partition: 5,
      key: 'client/M/',
      headers: {
        ce_id: 'client/M/:1',
        ce_sequence: '0000000000000001',
        ce_time: '2024-05-01T00:00:00.000Z',
        traceparent: '00-abc-def-01',
      },
    })
    expect(changeOf(change)).toEqual({
      registration: { clientId: 'client', referenceMerchantId: 'M', referenceStoreId: null },
      version: 1,
      collectiveStatus: 'COMPLETED',
      previousCollectiveStatus: null,
      entries: [
        {
          pspName: 'ALIPAY_CN',
          productCode: 'CASHIER_PAYMENT',
          status: 'APPROVED',
          previousStatus: null,
          rejectionReason: null,
        },
        {
          pspName: 'ALIPAY_CN',
          productCode: 'IN_STORE_PAYMENT',
          status: 'REJECTED',
          previousStatus: null,
          rejectionReason: 'blurred photo',
        },
      ],
      flags: expect.any(Array) as unknown,
      cause: {
        notificationId: 'notification-41',
        requestTime: '2024-05-01T08:00:00+08:00',
        raw: { topic: 'registration.raw.v1', partition: 5, offset: '41' },
      },
    })
  })

  test('makes a state record with the same content and the registers', () => {
    const [state] = folded.states
    assert(state !== undefined)
    expect(state).toMatchObject({ topic: 'registration.state.v1', partition: 5, key: 'client/M/' })
    expect(stateOf(state)).toMatchObject({
      version: 1,
      collectiveStatus: 'COMPLETED',
      rebuild: { rev: '41' },
      cause: { raw: { offset: '41' } },
    })
  })

  test('is to be saved, counted and marked as read', () => {
    expect(toSave(folded)).toMatchObject([
      { registration: { referenceMerchantId: 'M' }, stored: { rev: '41', registration: { version: 1 } } },
    ])
    expect(folded.counted).toEqual({
      countedFrom: '41',
      countedThrough: '41',
      counts: { applied: 1, flagged: 0, repeated: 0, stale: 0, quarantined: 0 },
    })
    expect(folded.watermark).toEqual({
      clusterId: 'cluster',
      topic: 'registration.raw.v1',
      partition: 5,
      offset: 41n,
      notificationId: 'notification-41',
      foldVersion,
    })
  })
})

test('several versions of one registration in one chunk are several changes and states, and one thing to save', () => {
  const folded = foldBodies([pending, answered])
  expect(folded.outcomes).toEqual(['applied', 'applied'])
  expect(folded.changes.map(changeOf).map(({ version }) => version)).toEqual([1, 2])
  expect(folded.states.map(stateOf).map(({ version }) => version)).toEqual([1, 2])
  expect(toSave(folded)).toMatchObject([{ stored: { registration: { version: 2 } } }])
  expect(folded.changes.map(changeOf)[1]).toMatchObject({
    previousCollectiveStatus: 'PENDING',
    entries: [{ previousStatus: 'PENDING' }, { previousStatus: 'PENDING' }],
  })
})

test('stores of one merchant are registrations of their own', () => {
  const folded = foldBodies([
    bodyOf({}),
    bodyOf({ store: 'S' }),
    bodyOf({ store: 'S', collective: 'COMPLETED' }),
  ])
  expect(folded.changes.map(({ key }) => key)).toEqual(['client/M/', 'client/M/S', 'client/M/S'])
  expect(folded.changes.map(changeOf).map(({ version }) => version)).toEqual([1, 1, 2])
  expect(folded.registrations).toHaveLength(2)
})

test('a known registration goes on from its stored version', () => {
  const before = foldBodies([pending])
  const [known] = toSave(before)
  assert(known !== undefined)
  const folded = foldRecords([rawRecord({ offset: 1n, body: answered })], {
    loaded: new Map([[registrationKey(known.registration), known.stored]]),
    countedThrough: 0n,
  })
  expect(folded.changes.map(changeOf)).toMatchObject([{ version: 2, cause: { raw: { offset: '1' } } }])
})

test('a record that moves a register without a new version makes a state record that names the version’s cause', () => {
  const folded = foldBodies([answered, answered])
  expect(folded.outcomes).toEqual(['applied', 'repeated'])
  expect(folded.changes).toHaveLength(1)
  expect(folded.states.map(stateOf)).toMatchObject([
    { version: 1, rebuild: { rev: '0' }, cause: { raw: { offset: '0' } } },
    { version: 1, rebuild: { rev: '1' }, cause: { raw: { offset: '0' } } },
  ])
})

test('a record that moves nothing makes no record at all', () => {
  const again = { body: answered, headers: { requestTimeMs: logStartMs } }
  const folded = foldRecords([rawRecord({ offset: 0n, ...again }), rawRecord({ offset: 1n, ...again })])
  expect(folded.outcomes).toEqual(['applied', 'repeated'])
  expect(folded.changes).toHaveLength(1)
  expect(folded.states).toHaveLength(1)
  expect(toSave(folded)[0]?.stored.rev).toBe('0')
})

test('what only adds a hash of its content is saved behind what was published', () => {
  const headers = { requestTimeMs: logStartMs }
  const bodies = [['CASHIER_PAYMENT', 'IN_STORE_PAYMENT'], ['CASHIER_PAYMENT']].map((codes) =>
    bodyOf({ round: 'R', entries: [{ codes, status: 'APPROVED' }] }),
  )
  const folded = foldRecords(
    bodies.map((body, offset) => rawRecord({ offset: BigInt(offset), body, headers })),
  )
  expect(folded.outcomes).toEqual(['applied', 'stale'])
  expect(folded.states).toHaveLength(1)
  expect(toSave(folded)[0]?.stored.registration.contents).toHaveLength(2)
})

describe('a record that does not fit', () => {
  const folded = foldBodies([pending, '{"referenceMerchantId":"M"}', answered])

  test('is set aside between its neighbours without touching them', () => {
    expect(folded.outcomes).toEqual(['applied', 'quarantined', 'applied'])
    expect(folded.changes.map(changeOf).map(({ version }) => version)).toEqual([1, 2])
    expect(folded.problems).toEqual([
      { offset: 1n, reason: 'missing_member', where: 'registrationResult.registrationStatus' },
    ])
    expect(folded.watermark.offset).toBe(2n)
    expect(folded.counted?.counts).toEqual({ applied: 2, flagged: 0, repeated: 0, stale: 0, quarantined: 1 })
  })

  test('is kept byte for byte with its origin and the reason', () => {
    const original = rawRecord({ offset: 1n, body: '{"referenceMerchantId":"M"}' })
    expect(folded.quarantined).toEqual([
      {
        topic: 'registration.quarantine.v1',
        partition: 0,
        key: original.key,
        value: original.value,
        headers: {
          ...Object.fromEntries(original.headers),
          'dlq-original-topic': 'registration.raw.v1',
          'dlq-original-partition': '0',
          'dlq-original-offset': '1',
          'dlq-original-timestamp': String(original.timestampMs),
          'dlq-error-code': 'missing_member',
          'dlq-error-message': 'registrationResult.registrationStatus',
        },
      },
    ])
  })

  test('moves the watermark alone, too', () => {
    const alone = foldBodies(['not JSON'])
    expect(alone.watermark).toMatchObject({ offset: 0n, notificationId: 'notification-0' })
    expect(alone.registrations).toEqual([])
  })
})

test('a 65th round is set aside', () => {
  const folded = foldBodies(Array.from({ length: 65 }, (_, index) => bodyOf({ round: `R${index}` })))
  expect(folded.outcomes.filter((outcome) => outcome === 'quarantined')).toHaveLength(1)
  expect(folded.problems).toEqual([
    { offset: 64n, reason: 'too_many_rounds', where: 'registrationRequestId' },
  ])
})

test.each(['changes', 'state'] as const)(
  'a record that would make the %s record too large is set aside, and what comes later is folded',
  (topic) => {
    const limit = { ...topics[topic], maxMessageBytes: 3_000 }
    const large = bodyOf({
      round: 'R',
      entries: Array.from({ length: 40 }, (_, index) => ({ psp: `PSP_WITH_A_LONG_NAME_${index}` })),
    })
    const folded = foldBodies([pending, large, answered], { topics: { ...topics, [topic]: limit } })
    expect(folded.outcomes).toEqual(['applied', 'quarantined', 'applied'])
    expect(folded.problems).toEqual([{ offset: 1n, reason: 'registration_too_large', where: '' }])
    expect(folded.changes.map(changeOf)[1]).toMatchObject({ version: 2, entries: [{}, {}] })
  },
)

const codes = (count: number) => Array.from({ length: count }, (_, index) => `P${index}`)

const withReasons = (units: number) =>
  bodyOf({ entries: [{ codes: codes(100), status: 'REJECTED', reason: 'r'.repeat(units / 100) }] })
const withEntries = (count: number) => bodyOf({ entries: [{ psp: 'P', codes: codes(count) }] })

describe('registrations at the limit of a record', () => {
  const processorOutputBytes = 4 * 1024 * 1024

  test.each([
    ['text', withReasons(7_400_000)],
    ['entries', withEntries(60_000)],
  ])('what nearly fills a record with %s is not refused', (_, body) => {
    expect(foldBodies([body]).outcomes).toEqual(['applied'])
  })

  test.each([
    ['text', withReasons(7_540_000)],
    ['entries', withEntries(80_000)],
  ])('each with too much %s takes a turn of its own, though nothing of it is published', (_, body) => {
    const folded = foldBodies([body, body, pending], { outputBytes: processorOutputBytes })
    expect(folded.problems).toMatchObject([{ reason: 'registration_too_large', where: '' }])
    expect(folded.outcomes).toEqual(['quarantined'])
    expect(folded.watermark.offset).toBe(0n)
  })

  test('twenty small messages that would each mean 33 million characters are refused before any is written out', () => {
    const poison = bodyOf({
      entries: [{ codes: codes(2_590), status: 'REJECTED', reason: 'r'.repeat(12_900) }],
    })
    expect(poison.length).toBeLessThan(40_000)
    const startedMs = performance.now()
    const folded = foldBodies(Array<string>(20).fill(poison), { outputBytes: processorOutputBytes })
    expect(performance.now() - startedMs).toBeLessThan(3_000)
    expect(folded.problems).toHaveLength(20)
    expect(folded.problems[0]).toMatchObject({ where: 'pspRegistrationResultList' })
  })
})

test('what is odd about the records of a turn is passed on, of each record and of no later one', () => {
  const odd = bodyOf({ store: '' })
  expect(foldBodies([odd, pending, odd]).marks).toEqual(['empty_text', 'empty_text'])
  expect(foldBodies([odd, odd], { outputBytes: 1 }).marks).toEqual(['empty_text'])
})

test('what the books contain already is folded and not counted again', () => {
  const folded = foldBodies([pending, answered, answered], { countedThrough: 1n })
  expect(folded.outcomes).toEqual(['redelivered', 'redelivered', 'repeated'])
  expect(folded.changes).toHaveLength(2)
  expect(folded.counted).toEqual({
    countedFrom: '2',
    countedThrough: '2',
    counts: { applied: 0, flagged: 0, repeated: 1, stale: 0, quarantined: 0 },
  })
  expect(foldBodies([pending], { countedThrough: 1n }).counted).toBeNull()
})

test('a chunk ends early when its outputs grow large, but never before its first record', () => {
  const bodies = Array.from({ length: 10 }, (_, index) => bodyOf({ store: `S${index}` }))
  expect(foldBodies(bodies, { outputBytes: 1 }).outcomes).toHaveLength(1)
  const some = foldBodies(bodies, { outputBytes: 3_000 })
  expect(some.outcomes.length).toBeGreaterThan(1)
  expect(some.outcomes.length).toBeLessThan(10)
  expect(some.watermark.offset).toBe(BigInt(some.outcomes.length - 1))
})

describe('commands and inquiries', () => {
  const dayMs = 24 * 3_600_000
  const erase = { command: 'registration.erased' }
  const forget = { command: 'registration.forgotten' }
  const erasedAtMs = logStartMs + dayMs
  const [offset, later] = [1n, 2n]
  const known = rawRecord({ offset: 0n, body: answered })
  const erased = commandRecord({ offset, appendTimeMs: erasedAtMs, command: erase })

  test('an opening makes a registration that is listed as unanswered until something is heard', () => {
    const openedAt = new Date(logStartMs).toISOString()
    const open = { command: 'registration.opened', registrationRequestId: 'R', openedAt, productCodes: [] }
    const record = commandRecord({ offset: 0n, command: open })
    const folded = foldRecords([record])
    expect(folded.outcomes).toEqual(['applied'])
    expect(folded.attention).toMatchObject([{ kind: 'unanswered', sinceMs: logStartMs }])
    const [opened] = toSave(folded)
    assert(opened !== undefined)
    const heard = foldRecords([rawRecord({ offset, body: answered })], {
      loaded: new Map([[registrationKey(opened.registration), opened.stored]]),
    })
    expect(heard.attention).toMatchObject([{ kind: 'unanswered', sinceMs: null }])
  })

  test('an answer to an inquiry is folded under the registration that was asked for', () => {
    const answer = answerOf({ entries: [{ status: 'CANCELLED' }] })
    const folded = foldRecords([known, inquiryRecord({ offset, body: answer, round: 'R' })])
    expect(folded.changes.map(changeOf)[1]).toMatchObject({
      version: 2,
      cause: { notificationId: 'notification-1' },
      entries: [{ productCode: 'CASHIER_PAYMENT' }, { productCode: 'IN_STORE_PAYMENT', status: 'CANCELLED' }],
    })
  })

  test('an erasure is a change without content, and says when', () => {
    const folded = foldRecords([known, erased])
    const erasedAt = new Date(erasedAtMs).toISOString()
    expect(folded.changes.map(changeOf)[1]).toMatchObject({ version: 2, entries: [], erasedAt })
    expect(folded.states.map(stateOf)[1]).toMatchObject({ version: 2, entries: [], erasedAt })
    expect(String(folded.states[1]?.value)).not.toContain('blurred photo')
    expect(folded.attention).toMatchObject([{ kind: 'erased', sinceMs: erasedAtMs }])
  })

  test('what was erased does not come back when it is folded again, not even what was signed ahead of its time', () => {
    const ahead = rawRecord({
      offset: 0n,
      body: answered,
      headers: { requestTimeMs: erasedAtMs + 3_600_000 },
    })
    const once = foldRecords([ahead, erased])
    const [kept] = toSave(once)
    assert(kept !== undefined)
    const again = foldRecords([ahead, erased], {
      loaded: new Map([[registrationKey(kept.registration), kept.stored]]),
    })
    expect(again).toMatchObject({ changes: [], states: [], registrations: [] })
  })

  test('what is forgotten is a state record without a value and leaves view and lists', () => {
    const before = foldRecords([known, erased])
    const [kept] = toSave(before)
    assert(kept !== undefined)
    const forgotten = commandRecord({
      offset: later,
      appendTimeMs: erasedAtMs + 31 * dayMs,
      command: forget,
    })
    const folded = foldRecords([forgotten], {
      loaded: new Map([[registrationKey(kept.registration), kept.stored]]),
    })
    expect(folded).toMatchObject({ outcomes: ['applied'], changes: [], registrations: [] })
    expect(folded.states).toEqual([
      {
        topic: 'registration.state.v1',
        partition: 0,
        key: 'client/M/',
        value: null,
        headers: { rev: '2' },
      },
    ])
    expect(folded.removed).toEqual([kept.registration])
    expect(folded.attention).toMatchObject([{ kind: 'erased', sinceMs: null }])
  })

  test('a forgetting is newer than what it forgets, also behind a log that was made anew', () => {
    const [kept] = toSave(foldRecords([known, erased]))
    assert(kept !== undefined)
    const forgotten = commandRecord({ offset, appendTimeMs: erasedAtMs + 31 * dayMs, command: forget })
    const folded = foldRecords([forgotten], {
      loaded: new Map([[registrationKey(kept.registration), { ...kept.stored, rev: '700' }]]),
    })
    expect(folded.states).toMatchObject([{ value: null, headers: { rev: '701' } }])
  })

  test('forgetting what nobody knows makes nothing', () => {
    const folded = foldRecords([commandRecord({ offset: 0n, command: forget })])
    expect(folded).toMatchObject({
      outcomes: ['stale'],
      changes: [],
      states: [],
      registrations: [],
      removed: [],
    })
  })
})

// ---- Properties over random logs ----

const rawLog = randomLog({ minLength: 1, maxLength: 25 }).map((log) => {
  let appendTimeMs = logStartMs
  return log.map((one, index) => {
    appendTimeMs += one.afterMs
    return randomRaw(one, { offset: BigInt(index), appendTimeMs })
  })
})

/** Folds a log chunk by chunk, with a view between the chunks that keeps registrations as texts. */
function foldLog(
  log: readonly ConsumedRecord[],
  { chunks, outputBytes }: { chunks: readonly number[]; outputBytes: number },
) {
  const view = new Map<string, StoredRegistration>()
  const attention = new Map<string, number>()
  let books: Books | null = null
  const published = { changes: [] as LogRecord[], quarantined: [] as LogRecord[], states: [] as LogRecord[] }
  const outcomes: string[] = []
  let rest = log
  for (let turn = 0; rest.length > 0; turn++) {
    const size = chunks[turn % chunks.length] ?? 1
    const folded = foldRecords(rest.slice(0, size), {
      loaded: view,
      ...(books === null ? {} : { countedThrough: BigInt(books.countedThrough) }),
      outputBytes,
    })
    published.changes.push(...folded.changes)
    published.quarantined.push(...folded.quarantined)
    published.states.push(...folded.states)
    outcomes.push(...folded.outcomes)
    for (const { registration, stored } of toSave(folded)) view.set(registrationKey(registration), stored)
    for (const registration of folded.removed) view.delete(registrationKey(registration))
    for (const { kind, registration, sinceMs } of folded.attention) {
      const listed = `${kind} ${registrationKey(registration)}`
      if (sinceMs === null) attention.delete(listed)
      else attention.set(listed, sinceMs)
    }
    books = added(books, folded.counted)
    rest = rest.slice(folded.outcomes.length)
  }
  return { published, view, attention, books, outcomes }
}

function added(books: Books | null, counted: Books | null): Books | null {
  if (books === null || counted === null) return counted ?? books
  const sum = (outcome: keyof OutcomeCounts) => books.counts[outcome] + counted.counts[outcome]
  return {
    countedFrom: books.countedFrom,
    countedThrough: counted.countedThrough,
    counts: {
      applied: sum('applied'),
      flagged: sum('flagged'),
      repeated: sum('repeated'),
      stale: sum('stale'),
      quarantined: sum('quarantined'),
    },
  }
}

test('wherever the borders between chunks fall, the same bytes are published and the same view is left', () => {
  const borders = fc.record({
    chunks: fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 5 }),
    outputBytes: fc.constantFrom(1, 2_000, 10_000_000),
  })
  fc.assert(
    fc.property(rawLog, borders, (log, some) => {
      expect(foldLog(log, some)).toEqual(foldLog(log, { chunks: [log.length], outputBytes: 10_000_000 }))
    }),
    { numRuns: 150 },
  )
})

test('versions rise by exactly one along any log, and every record has exactly one outcome', () => {
  fc.assert(
    fc.property(rawLog, (log) => {
      const { published, books } = foldLog(log, { chunks: [4], outputBytes: 10_000_000 })
      const versions = Map.groupBy(published.changes.map(changeOf), ({ registration }) =>
        registrationKey(registration),
      )
      const forgotten = new Set(published.states.flatMap(({ key, value }) => (value === null ? [key] : [])))
      // One that is heard of again after it was forgotten begins anew.
      for (const changes of [...versions].flatMap(([key, all]) => (forgotten.has(key) ? [] : [all]))) {
        expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 1))
      }
      const outcomes = Object.values(books?.counts ?? {})
      expect(outcomes.reduce((sum, number) => sum + number, 0)).toBe(log.length)
    }),
    { numRuns: 150 },
  )
})

test('the lists of a partition hold what its registrations ask attention for', () => {
  fc.assert(
    fc.property(rawLog, (log) => {
      const { view, attention } = foldLog(log, { chunks: [3, 1], outputBytes: 10_000_000 })
      const expected = [...view].flatMap(([key, { registration }]) =>
        Object.entries(attentionOf(registration)).map(
          ([kind, sinceMs]) => [`${kind} ${key}`, sinceMs] as const,
        ),
      )
      expect(attention).toEqual(new Map(expected))
    }),
    { numRuns: 150 },
  )
})

test('the state records alone give the view back, but for the hashes of contents', () => {
  fc.assert(
    fc.property(rawLog, (log) => {
      const { published, view } = foldLog(log, { chunks: [3], outputBytes: 10_000_000 })
      const restored = new Map<string, StoredRegistration>()
      for (const [index, { topic, partition, key, value, headers = {} }] of published.states.entries()) {
        const record = {
          topic,
          partition,
          offset: BigInt(index),
          timestampMs: 0,
          key,
          value: value === null ? null : Buffer.from(value),
          headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
          bytes: 0,
        }
        if (readStanding(record).kind === 'forgotten') {
          restored.delete(key)
          continue
        }
        const said = readKeptState(record)
        assert(said !== null && 'packed' in said.written)
        const stored = unpackStored(said.written.packed)
        restored.set(key, stored)
        expect(said.attention).toEqual(attentionOf(stored.registration))
        expect(readStanding(record)).toEqual({
          kind: 'state',
          key,
          rev: BigInt(stored.rev),
        })
      }
      const expected = [...view].map(([key, stored]) => {
        const registration = { ...stored.registration, contents: [] }
        return [key, { ...stored, registration }] as const
      })
      expect(restored).toEqual(new Map(expected))
    }),
    { numRuns: 150 },
  )
})

test('outcomes and changes are those that an independent, naive implementation finds', () => {
  fc.assert(
    fc.property(rawLog, (log) => {
      const { published, outcomes } = foldLog(log, { chunks: [3], outputBytes: 10_000_000 })
      const verdict = naiveOracle(log.map(oracleRecord))
      expect(outcomes).toEqual(verdict.outcomes)
      const changes = published.changes.map(changeOf).map((change) => ({
        key: JSON.stringify(Object.values(change.registration)),
        version: change.version,
        collectiveStatus: change.collectiveStatus,
        entries: change.entries.map(({ pspName, productCode, status, rejectionReason }) => ({
          pspName,
          productCode,
          status,
          rejectionReason,
        })),
        flags: change.flags,
        erasedAtMs: change.erasedAt === undefined ? null : Date.parse(change.erasedAt),
      }))
      expect(changes).toEqual(verdict.changes)
    }),
    { numRuns: 150 },
  )
})
