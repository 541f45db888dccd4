import { expect, test } from 'vitest'
import { watermarkAt } from '../fan-out/fan-out-start.ts'
import { createReceiptsTail } from './tail-receipts.ts'

const log = { clusterId: 'cluster', topic: 'receipts' }
const at = (next: bigint) => watermarkAt({ ...log, next })

/** A tail of one partition whose watermark stands in a Redis of one text. */
function createScene(watermark: string | null) {
  const state = { watermark }
  const tail = createReceiptsTail(
    {
      book: {
        receiptsWatermark: async () => state.watermark,
        async markSettled({ watermark: expected, next }) {
          if (state.watermark !== expected) return false
          state.watermark = next
          return true
        },
      },
      reader: { offsetAt: async () => 40n },
      now: () => 0,
    },
    log,
  )
  const attach = (logStart: bigint, logEnd: bigint) =>
    tail.attach({ partition: 0, committed: null, logStart, logEnd })
  return { state, attach }
}

test('receipts that retention has taken are not waited for', async () => {
  const { state, attach } = createScene(at(98n))
  expect(await attach(100n, 100n)).toEqual({ kind: 'from', offset: 100n })
  expect(state.watermark).toBe(at(100n))
})

test('a log that has lost its end is followed from there, once that is certain', async () => {
  const { state, attach } = createScene(at(98n))
  await expect(attach(0n, 90n)).rejects.toThrow('has lost its end')
  expect(state.watermark).toBe(at(98n))
  expect(await attach(0n, 90n)).toEqual({ kind: 'from', offset: 90n })
  expect(state.watermark).toBe(at(90n))
})

test('without a watermark the receipts of all that may be owed again come again', async () => {
  const { state, attach } = createScene(null)
  expect(await attach(0n, 90n)).toMatchObject({ kind: 'from', offset: 40n })
  expect(state.watermark).toBe(at(40n))
})

test('the markers of another log are not continued', async () => {
  const { attach } = createScene('another receipts 3')
  expect(await attach(0n, 90n)).toMatchObject({ kind: 'stop' })
})
