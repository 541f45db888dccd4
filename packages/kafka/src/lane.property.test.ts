import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type Acknowledgement,
  type AppendResult,
  createLane,
  type LogRecord,
  type SendOutcome,
} from './lane.ts'

type Deed = 'confirm' | 'move_leader' | 'fail_unwritten' | 'fail_written' | 'hang'
type Step = { deed: Deed; tookMs: number; brokenPartition: number }
type Answer = {
  index: number
  partition: number
  bytes: number
  deadlineMs: number
  tookMs: number
  result: AppendResult
}

const partition = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.record({
  deed: fc.constantFrom<Deed>('confirm', 'move_leader', 'fail_unwritten', 'fail_written', 'hang'),
  tookMs: fc.integer({ min: 0, max: 2_500 }),
  brokenPartition: partition,
})
const append = fc.record({
  partition,
  bytes: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 400 }) },
    { weight: 1, arbitrary: fc.constant(3_000) },
  ),
  gapMs: fc.integer({ min: 0, max: 300 }),
  deadlineMs: fc.integer({ min: 1, max: 5_000 }),
})
const topicLimitBytes = 2_000
const limits = {
  maxQueuedRecords: 1_000,
  maxQueuedBytes: 1_000_000,
  maxBatchBytes: 100_000,
  maxBatchBytesPerPartition: 1_500,
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('whatever the broker does, each append is answered once and in time, stored means written at the offset told, and partitions keep their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(append, { minLength: 1, maxLength: 40 }),
      fc.array(step, { maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      async (plan, script, maxBatchRecords) => {
        const broker = scriptedBroker(script)
        const lane = createLane(broker.send, { ...limits, maxBatchRecords })
        const answers: Answer[] = []
        const appendOne = async (index: number, { partition, bytes, deadlineMs }: (typeof plan)[number]) => {
          const since = performance.now()
          const value = 'x'.repeat(bytes)
          const result = await lane.append(
            { topic: 't', partition, key: String(index), value },
            { deadlineMs },
          )
          const tookMs = performance.now() - since
          answers.push({ index, partition, bytes, deadlineMs, tookMs, result })
        }
        for (const [index, each] of plan.entries()) {
          void appendOne(index, each)
          await vi.advanceTimersByTimeAsync(each.gapMs)
        }
        await vi.advanceTimersByTimeAsync(6_000)

        const isWritten = ({ index, partition }: Answer) => broker.log(partition).includes(index)
        const refused = answers.filter(({ result }) => result.kind === 'refused')
        const stored = answers.filter(({ result }) => result.kind === 'stored')
        expect(answers.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([...plan.keys()])
        expect(answers.filter(({ tookMs, deadlineMs }) => tookMs > deadlineMs)).toEqual([])
        expect(
          stored.filter((answer) => broker.log(answer.partition)[offsetOf(answer)] !== answer.index),
        ).toEqual([])
        expect(refused.filter((answer) => isWritten(answer) || answer.bytes <= topicLimitBytes)).toEqual([])
        for (const partition of [0, 1, 2]) {
          const log = broker.log(partition)
          const byPlace = stored
            .filter((answer) => answer.partition === partition)
            .map(({ index }) => index)
            .toSorted((a, b) => log.lastIndexOf(a) - log.lastIndexOf(b))
          expect(byPlace).toEqual(byPlace.toSorted((a, b) => a - b))
        }
        // What still hangs must not reach into the next run.
        await vi.advanceTimersByTimeAsync(60_000)
      },
    ),
    { numRuns: 200 },
  )
})

const offsetOf = ({ result }: Answer) => (result.kind === 'stored' ? Number(result.offset) : -1)

/** Keeps a log per partition, so that the lane's answers can be held against what is written. */
function scriptedBroker(script: readonly Step[]) {
  const logs = new Map<number, number[]>()
  const log = (partition: number) => logs.get(partition) ?? []
  let next = 0

  /** Tells where the records of each partition begin. */
  function write(batch: readonly LogRecord[]): Acknowledgement[] {
    const stored = [...new Set(batch.map(({ partition }) => partition))].map((partition) => ({
      topic: 't',
      partition,
      baseOffset: String(log(partition).length),
    }))
    for (const { partition, key } of batch) logs.set(partition, [...log(partition), Number(key)])
    return stored
  }

  async function send(batch: readonly LogRecord[]): Promise<SendOutcome> {
    const { deed, tookMs, brokenPartition } = script[next++] ?? {
      deed: 'confirm',
      tookMs: 1,
      brokenPartition: 0,
    }
    await new Promise((resolve) => setTimeout(resolve, deed === 'hang' ? 6_000 : tookMs))
    const tooLarge = partitionsOver(topicLimitBytes, batch)
    const healthy = batch.filter(({ partition }) => partition !== brokenPartition)
    if (tooLarge.size > 0) {
      write(batch.filter(({ partition }) => !tooLarge.has(partition)))
      return { kind: 'too_large' }
    }
    if (deed === 'fail_unwritten') return { kind: 'failed' }
    const stored = write(deed === 'confirm' ? batch : healthy)
    return deed === 'confirm' || deed === 'move_leader' ? { kind: 'answered', stored } : { kind: 'failed' }
  }

  return { log, send }
}

function partitionsOver(limitBytes: number, batch: readonly LogRecord[]): Set<number> {
  const parts = [...Map.groupBy(batch, ({ partition }) => partition)]
  const over = parts.filter(
    ([, part]) => part.reduce((sum, { value }) => sum + (value?.length ?? 0), 0) > limitBytes,
  )
  return new Set(over.map(([partition]) => partition))
}
