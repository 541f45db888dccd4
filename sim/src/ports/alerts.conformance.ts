import type { AlertQueue } from '@signalbox/alerts/alert-queue'
import { type OwedAlert, owedAlert } from '@signalbox/alerts/owed-alert'
import { expect, test } from 'vitest'
import type { Book } from './memory-alerts.ts'

/** What is owed and its jobs, both empty. */
export type Alerts = { book: Book; queue: Pick<AlertQueue, 'add' | 'addFirst' | 'stateOf' | 'revive'> }

const partition = 1
const sinceMs = 1_700_000_000_000

const alertOf = (version: number, differs: Partial<OwedAlert> = {}) =>
  owedAlert({
    subject: 'client/merchant/',
    version,
    endpointId: 'one',
    variant: '',
    partition,
    owedSinceMs: sinceMs,
    ...differs,
  })

type Owe = Parameters<Book['owe']>[0]

type Owing = Pick<Owe, 'watermark' | 'owing'> & Partial<Owe>

function oweInBatches(book: Book, alerts: Owe['alerts'], of: Owing) {
  const bodies = alerts.map(({ subject, version, variant }) => ({ subject, version, variant, body: '{}' }))
  return book.owe({ partition, nowMs: sinceMs, bodies, alerts, ...of })
}

const inBatch = (batchId: string, ...alerts: readonly OwedAlert[]) =>
  alerts.map((alert) => ({ ...alert, batchId }))

async function owe(book: Book, alerts: readonly OwedAlert[], of: Owing) {
  const owed = await oweInBatches(book, alerts, of)
  expect(owed?.some(({ batchId }) => batchId !== null)).not.toBe(true)
  return owed?.map(({ alert }) => alert) ?? null
}

const settle = (book: Book, ...alerts: readonly OwedAlert[]) =>
  book.settle(
    partition,
    alerts.map((alert) => ({ alert, isCountedDown: false })),
    Date.now(),
  )

const begin = (book: Book, alert: OwedAlert) => book.begin(alert, { skipsSuperseded: false })

const owedIn = (book: Book, of = partition) => book.owed({ partition: of, from: 0, limit: 100 })

/** What the queue Redis must do for fan-out and sweep, the real one and that of the simulation. */
export function alertsConformance(open: () => Promise<Alerts>): void {
  test('at first there is no watermark, nothing owed, nothing settled and no job', async () => {
    const { book, queue } = await open()
    expect(await book.watermark(partition)).toBeNull()
    expect(await owedIn(book)).toEqual([])
    expect(await book.owedCount(partition)).toBe(0)
    expect(await book.settledAmong(partition, [alertOf(1).id])).toEqual(new Set())
    expect(await queue.stateOf(alertOf(1).id)).toBe('absent')
  })

  test('obligations and watermark are written together, for their partition alone', async () => {
    const { book } = await open()
    const alerts = [alertOf(1), alertOf(2), alertOf(2, { endpointId: 'two' })]
    expect(await owe(book, alerts, { watermark: null, owing: 'w1' })).toEqual(alerts)
    expect(await book.watermark(partition)).toBe('w1')
    expect(new Set(await owedIn(book))).toEqual(new Set(alerts))
    expect(await book.owedCount(partition)).toBe(3)
    expect(await book.watermark(0)).toBeNull()
    expect(await owedIn(book, 0)).toEqual([])
  })

  test('who expects another watermark owes nothing', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1)], { watermark: null, owing: 'w1' })
    for (const watermark of [null, 'w', 'w11']) {
      expect(await owe(book, [alertOf(2)], { watermark, owing: 'w2' })).toBeNull()
    }
    expect(await book.watermark(partition)).toBe('w1')
    expect(await owedIn(book)).toEqual([alertOf(1)])
  })

  test('an alert that is owed already keeps its time', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1)], { watermark: null, owing: 'w1' })
    const again = await owe(book, [alertOf(1), alertOf(2)], {
      watermark: 'w1',
      owing: 'w2',
      nowMs: sinceMs + 5,
    })
    expect(again).toEqual([alertOf(1), alertOf(2, { owedSinceMs: sinceMs + 5 })])
    expect(await owedIn(book)).toEqual(again)
  })

  test('an alert that is owed already keeps its batch, whatever company it comes in, until it is settled', async () => {
    const { book } = await open()
    const [first, second, third] = [alertOf(1), alertOf(2), alertOf(2, { endpointId: 'two' })]
    const before = await oweInBatches(book, [...inBatch('b-1', first, second), third], {
      watermark: null,
      owing: 'w1',
    })
    const expected = [
      { alert: first, batchId: 'b-1' },
      { alert: second, batchId: 'b-1' },
      { alert: third, batchId: null },
    ]
    expect(before).toEqual(expected)
    expect(await book.batchesOf(partition, [third, second, alertOf(9)])).toEqual([null, 'b-1', null])

    const fourth = alertOf(4)
    const again = inBatch('b-2', first, second, third, fourth)
    expect(await oweInBatches(book, again, { watermark: 'w1', owing: 'w2' })).toEqual([
      ...expected,
      { alert: fourth, batchId: 'b-2' },
    ])
    await settle(book, first)
    expect(await book.batchesOf(partition, [first, second])).toEqual([null, 'b-1'])
  })

  test('the watermark moves on from the one expected, and from no other', async () => {
    const { book } = await open()
    expect(await book.advance({ partition, from: 'w0', to: 'w1' })).toBe(false)
    expect(await book.watermark(partition)).toBeNull()
    expect(await book.advance({ partition, from: null, to: 'w1' })).toBe(true)
    expect(await book.advance({ partition, from: null, to: 'w2' })).toBe(false)
    expect(await book.advance({ partition, from: 'w1', to: 'w2' })).toBe(true)
    expect(await book.watermark(partition)).toBe('w2')
  })

  test('what is owed comes in slices, the oldest first', async () => {
    const { book } = await open()
    const at = (version: number, later: number) => alertOf(version, { owedSinceMs: sinceMs + later })
    await owe(book, [alertOf(3)], { watermark: null, owing: 'w1', nowMs: sinceMs + 20 })
    await owe(book, [alertOf(9), alertOf(10)], { watermark: 'w1', owing: 'w2', nowMs: sinceMs + 10 })
    const all = [at(10, 10), at(9, 10), at(3, 20)]
    expect(await owedIn(book)).toEqual(all)
    expect(await book.owed({ partition, from: 0, limit: 2 })).toEqual(all.slice(0, 2))
    expect(await book.owed({ partition, from: 2, limit: 2 })).toEqual(all.slice(2))
  })

  test('a settled alert is known by its id, is owed no longer and takes its body along', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1), alertOf(2)], { watermark: null, owing: 'w1' })
    expect(await begin(book, alertOf(1))).toMatchObject({ isSettled: false, progress: null, body: '{}' })
    await settle(book, alertOf(1))
    await settle(book, alertOf(1))
    expect(await book.settledAmong(partition, [alertOf(1).id, alertOf(2).id])).toEqual(
      new Set([alertOf(1).id]),
    )
    expect(await owedIn(book)).toEqual([alertOf(2)])
    expect(await begin(book, alertOf(1))).toMatchObject({ isSettled: true, body: null })
    expect(await begin(book, alertOf(2))).toMatchObject({ isSettled: false, body: '{}' })
  })

  test('many are settled at once, each with its marker and its part of a body', async () => {
    const { book } = await open()
    const alerts = [alertOf(1), alertOf(2), alertOf(2, { endpointId: 'two' }), alertOf(3)]
    await owe(book, alerts, { watermark: null, owing: 'w1' })
    const [first, second, third, fourth] = alerts
    if (!first || !second || !third || !fourth) throw new Error('there are four')
    await settle(book, first, second, alertOf(9))
    const ids = [first, second, third, fourth, alertOf(9)].map(({ id }) => id)
    expect(await book.settledAmong(partition, ids)).toEqual(new Set([first.id, second.id, alertOf(9).id]))
    expect(await owedIn(book)).toEqual([fourth, third])
    expect(await begin(book, first)).toMatchObject({ isSettled: true, body: null })
    expect(await begin(book, third)).toMatchObject({ isSettled: false, body: '{}' })
  })

  test('an obligation that is cleared ends without a marker', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1)], { watermark: null, owing: 'w1' })
    await book.clear(alertOf(1))
    await book.clear(alertOf(1))
    expect(await owedIn(book)).toEqual([])
    expect(await begin(book, alertOf(1))).toMatchObject({ isSettled: false, body: null })
  })

  test('a body stays until the last alert that has it is settled', async () => {
    const { book } = await open()
    const [one, two] = [alertOf(1), alertOf(1, { endpointId: 'two' })]
    await book.owe({
      partition,
      watermark: null,
      owing: 'w1',
      nowMs: sinceMs,
      bodies: [{ subject: one.subject, version: 1, variant: '', body: 'text' }],
      alerts: [one, two],
    })
    await settle(book, one)
    await settle(book, one)
    expect((await begin(book, two)).body).toBe('text')
    await settle(book, two)
    expect((await begin(book, two)).body).toBeNull()
  })

  test('what is settled is not owed again', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1)], { watermark: null, owing: 'w1' })
    await settle(book, alertOf(1))
    const nowMs = Date.now()
    const again = await owe(book, [alertOf(1), alertOf(2)], { watermark: 'w1', owing: 'w2', nowMs })
    expect(again).toEqual([alertOf(2, { owedSinceMs: nowMs })])
    expect(await owedIn(book)).toEqual(again)
    expect((await begin(book, alertOf(1))).body).toBeNull()
  })

  test('receipts mark alerts as settled, with the watermark that is expected and no other', async () => {
    const { book } = await open()
    const ids = [alertOf(1).id, alertOf(2).id]
    const mark = (watermark: string | null, next: string) =>
      book.markSettled({ partition, watermark, next, ids, nowMs: Date.now() })
    expect(await mark('a b 1', 'a b 2')).toBe(false)
    expect(await book.settledAmong(partition, ids)).toEqual(new Set())
    expect(await mark(null, 'a b 2')).toBe(true)
    expect(await book.receiptsWatermark(partition)).toBe('a b 2')
    expect(await book.settledAmong(partition, [...ids, alertOf(3).id])).toEqual(new Set(ids))
    expect(await book.settledAmong(0, ids)).toEqual(new Set())
    expect(await mark(null, 'a b 3')).toBe(false)
    expect(await mark('a b 2', 'a b 3')).toBe(true)
  })

  test('nothing is owed while the markers are behind the receipts', async () => {
    const { book } = await open()
    const mark = (watermark: string | null, next: string) =>
      book.markSettled({ partition, watermark, next, ids: [], nowMs: Date.now() })
    const first = { watermark: null, owing: 'w1', receiptsTo: 10n }
    expect(await owe(book, [alertOf(1)], first)).toBeNull()
    await mark(null, 'cluster receipts 9')
    expect(await owe(book, [alertOf(1)], first)).toBeNull()
    expect(await owedIn(book)).toEqual([])
    await mark('cluster receipts 9', 'cluster receipts 10')
    expect(await owe(book, [alertOf(1)], first)).toEqual([alertOf(1)])
  })

  test('the alerts of an endpoint are counted up when they are new and down when they end', async () => {
    const { book } = await open()
    const add = (count: number) => book.raiseOutstanding(new Map([['one', count]]))
    expect(await add(2)).toEqual(new Map([['one', 2]]))
    expect(await add(3)).toEqual(new Map([['one', 5]]))
    await owe(book, [alertOf(1)], { watermark: null, owing: 'w1' })
    await settle(book, alertOf(1))
    expect(await add(1)).toEqual(new Map([['one', 5]]))
    await book.setOutstanding('one', 0)
    await settle(book, alertOf(2))
    expect(await add(1)).toEqual(new Map([['one', 1]]))
  })

  test('a job is there once, however often it is added', async () => {
    const { queue } = await open()
    const options = { priorityOf: () => 1 }
    await queue.add([], options)
    await queue.add([alertOf(1), alertOf(2)], options)
    await queue.add([alertOf(1), alertOf(3)], options)
    for (const version of [1, 2, 3]) expect(await queue.stateOf(alertOf(version).id)).toBe('live')
    expect(await queue.stateOf(alertOf(4).id)).toBe('absent')
  })

  test('the alerts of a batch have a job together and none alone', async () => {
    const { queue } = await open()
    const owed = [
      { alert: alertOf(1), batchId: 'b-1' },
      { alert: alertOf(2), batchId: 'b-1' },
      { alert: alertOf(3), batchId: null },
    ]
    await queue.addFirst(owed, { priorityOf: () => 1 })
    expect(await Promise.all(['b-1', alertOf(3).id].map((id) => queue.stateOf(id)))).toEqual(['live', 'live'])
    expect(await queue.stateOf(alertOf(1).id)).toBe('absent')
  })
}
