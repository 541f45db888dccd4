import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type Acknowledgement,
  type AppendResult,
  type BatchRecord,
  createLane,
  type LogRecord,
  type RunResult,
  type SendOutcome,
} from './lane.ts'
import { contentOf } from './record-content.fixture.ts'

type Deed = 'confirm' | 'move_leader' | 'fail_unwritten' | 'fail_written' | 'hang'
type Step = { deed: Deed; tookMs: number; brokenPartition: number }
type Answer = {
  index: number
  records: readonly { id: string; partition: number; bytes: number }[]
  deadlineMs: number
  tookMs: number
  result: RunResult
}

const partition = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.record({
  deed: fc.constantFrom<Deed>('confirm', 'move_leader', 'fail_unwritten', 'fail_written', 'hang'),
  tookMs: fc.integer({ min: 0, max: 2_500 }),
  brokenPartition: partition,
})
const record = fc.record({
  partition,
  bytes: fc.oneof(
    { weight: 19, arbitrary: fc.integer({ min: 0, max: 400 }) },
    { weight: 1, arbitrary: fc.constant(3_000) },
  ),
})
const run = fc.record({
  records: fc.oneof(
    fc.array(record, { minLength: 1, maxLength: 1 }),
    fc.array(record, { minLength: 2, maxLength: 12 }),
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

test('whatever the broker does, each append and run is answered once and in time, stored means written at the offsets told, partitions keep their order, and no record is written without those of its run before it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(run, { minLength: 1, maxLength: 30 }),
      fc.array(step, { maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      async (plan, script, maxBatchRecords) => {
        const broker = scriptedBroker(script)
        const lane = createLane(broker.send, { ...limits, maxBatchRecords })
        const answers: Answer[] = []
        const appendAll = async (index: number, { records, deadlineMs }: (typeof plan)[number]) => {
          const since = performance.now()
          const named = records.map((each, nth) => ({ ...each, id: `${index}.${nth}` }))
          const row = named.map(({ partition, bytes, id }): LogRecord => {
            return { topic: 't', partition, key: id, value: 'x'.repeat(bytes) }
          })
          const [only, ...others] = row
          const result =
            only !== undefined && others.length === 0
              ? asRun(await lane.append(only, { deadlineMs }))
              : await lane.appendRun(row.map(lane.encode), { deadlineMs })
          answers.push({ index, records: named, deadlineMs, tookMs: performance.now() - since, result })
        }
        for (const [index, each] of plan.entries()) {
          void appendAll(index, each)
          await vi.advanceTimersByTimeAsync(each.gapMs)
        }
        await vi.advanceTimersByTimeAsync(6_000)

        const isWritten = ({ id, partition }: Answer['records'][number]) => broker.log(partition).includes(id)
        expect(answers.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([...plan.keys()])
        expect(answers.filter(({ tookMs, deadlineMs }) => tookMs > deadlineMs)).toEqual([])

        const stored = answers.flatMap(({ records, result }) => (result.kind === 'stored' ? [records] : []))
        const told = answers.flatMap(({ records, result }) =>
          result.kind === 'stored'
            ? records.map((each, nth) => ({ ...each, offset: Number(result.offsets[nth] ?? -1) }))
            : [],
        )
        expect(told.filter(({ id, partition, offset }) => broker.log(partition)[offset] !== id)).toEqual([])

        const refused = answers.filter(({ result }) => result.kind === 'refused')
        expect(
          refused.filter(
            ({ records }) => !records.some((each) => each.bytes > topicLimitBytes && !isWritten(each)),
          ),
        ).toEqual([])

        for (const partition of [0, 1, 2]) {
          const log = broker.log(partition)
          const inOrder = stored
            .toSorted((a, b) => ordinal(a[0]?.id) - ordinal(b[0]?.id))
            .flat()
            .filter((each) => each.partition === partition)
            .map(({ id }) => id)
          expect(inOrder.toSorted((a, b) => log.lastIndexOf(a) - log.lastIndexOf(b))).toEqual(inOrder)
          for (const { records } of answers) {
            const written = records.filter((each) => each.partition === partition).map(isWritten)
            expect(written).toEqual(written.toSorted((a, b) => Number(b) - Number(a)))
          }
        }
        // What still hangs must not reach into the next run.
        await vi.advanceTimersByTimeAsync(60_000)
      },
    ),
    { numRuns: 300 },
  )
})

const ordinal = (id = '') => Number.parseInt(id, 10)

function asRun(result: AppendResult): RunResult {
  return result.kind === 'stored' ? { kind: 'stored', offsets: [BigInt(result.offset)] } : result
}

/** Keeps a log per partition, so that the lane's answers can be held against what is written. */
function scriptedBroker(script: readonly Step[]) {
  const logs = new Map<number, string[]>()
  const log = (partition: number) => logs.get(partition) ?? []
  let next = 0

  /** Tells where the records of each partition begin. */
  function write(batch: readonly BatchRecord[]): Acknowledgement[] {
    const places = new Set(batch.map(({ place }) => place))
    const stored = [...places].map((place) => ({ ...place, baseOffset: String(log(place.partition).length) }))
    for (const each of batch) {
      const { partition } = each.place
      logs.set(partition, [...log(partition), contentOf(each).key])
    }
    return stored
  }

  async function send(batch: readonly BatchRecord[]): Promise<SendOutcome> {
    const { deed, tookMs, brokenPartition } = script[next++] ?? {
      deed: 'confirm',
      tookMs: 1,
      brokenPartition: 0,
    }
    await new Promise((resolve) => setTimeout(resolve, deed === 'hang' ? 6_000 : tookMs))
    const tooLarge = partitionsOver(topicLimitBytes, batch)
    const healthy = batch.filter(({ place }) => place.partition !== brokenPartition)
    if (tooLarge.size > 0) {
      write(batch.filter(({ place }) => !tooLarge.has(place.partition)))
      return { kind: 'too_large' }
    }
    if (deed === 'fail_unwritten') return { kind: 'failed' }
    const stored = write(deed === 'confirm' ? batch : healthy)
    return deed === 'confirm' || deed === 'move_leader' ? { kind: 'answered', stored } : { kind: 'failed' }
  }

  return { log, send }
}

function partitionsOver(limitBytes: number, batch: readonly BatchRecord[]): Set<number> {
  const parts = [...Map.groupBy(batch, ({ place }) => place.partition)]
  return new Set(parts.filter(([, part]) => bytesOf(part) > limitBytes).map(([partition]) => partition))
}

function bytesOf(part: readonly BatchRecord[]): number {
  return part.reduce((sum, each) => sum + (contentOf(each).value?.length ?? 0), 0)
}
