import type { AlertQueue } from '@signalbox/alerts/alert-queue'
import { type OwedAlert, owedAlert } from '@signalbox/alerts/owed-alert'
import { expect, test } from 'vitest'
import type { Book } from './memory-alerts.ts'

/** What is owed and its jobs, both empty. */
export type Alerts = { book: Book; queue: Pick<AlertQueue, 'add' | 'stateOf' | 'revive'> }

const partition = 1
const sinceMs = 1_700_000_000_000

const alertOf = (version: number, differs: Partial<OwedAlert> = {}) =>
  owedAlert({
    registrationKey: 'client/merchant/',
    version,
    endpointId: 'one',
    partition,
    owedSinceMs: sinceMs,
    ...differs,
  })

type Owe = Parameters<Book['owe']>[0]

function owe(book: Book, alerts: readonly OwedAlert[], of: Pick<Owe, 'watermark' | 'owing'> & Partial<Owe>) {
  const bodies = alerts.map(({ registrationKey, version }) => ({ registrationKey, version, body: '{}' }))
  return book.owe({ partition, nowMs: sinceMs, bodies, alerts, ...of })
}

const owedIn = (book: Book, of = partition) => book.owed({ partition: of, from: 0, limit: 100 })

/** What the queue Redis must do for fan-out and sweep, the real one and that of the simulation. */
export function alertsConformance(open: () => Promise<Alerts>): void {
  test('at first there is no watermark, nothing owed, nothing settled and no job', async () => {
    const { book, queue } = await open()
    expect(await book.watermark(partition)).toBeNull()
    expect(await owedIn(book)).toEqual([])
    expect(await book.owedCount(partition)).toBe(0)
    expect(await book.settledAmong([alertOf(1).id])).toEqual(new Set())
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

  test('a settled alert is known by its id, and its obligation ends when it is cleared', async () => {
    const { book } = await open()
    await owe(book, [alertOf(1), alertOf(2)], { watermark: null, owing: 'w1' })
    await book.markSettled(alertOf(1))
    expect(await book.settledAmong([alertOf(1).id, alertOf(2).id])).toEqual(new Set([alertOf(1).id]))
    expect(await book.owedCount(partition)).toBe(2)
    await book.clear(alertOf(1))
    await book.clear(alertOf(1))
    expect(await owedIn(book)).toEqual([alertOf(2)])
  })

  test('a job is there once, however often it is added', async () => {
    const { queue } = await open()
    await queue.add([])
    await queue.add([alertOf(1), alertOf(2)])
    await queue.add([alertOf(1), alertOf(3)])
    for (const version of [1, 2, 3]) expect(await queue.stateOf(alertOf(version).id)).toBe('live')
    expect(await queue.stateOf(alertOf(4).id)).toBe('absent')
  })
}
