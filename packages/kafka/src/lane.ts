import { within } from './deadline.ts'
import { pause } from './pause.ts'
import { type EncodedRecord, mostRecordPrefixBytes, RecordEncoder } from './record-encoding.ts'

/** One record to append. The partition is always named: the order within it is a promise. */
export type LogRecord = {
  topic: string
  partition: number
  key: string
  value: Buffer | string | null
  headers?: Record<string, string | Buffer>
}

/** Why something was not appended. */
export type NotStored =
  /** It was not written and will not be. */
  | { kind: 'refused'; reason: 'queue_full' | 'too_large' }
  /** Nobody knows: perhaps it is written, perhaps it will still be. */
  | { kind: 'unconfirmed'; reason: 'deadline' | 'broker' | 'closed' }

/** What became of one append: the broker has confirmed it, and `offset` is its own in its partition; or not. */
export type AppendResult = { kind: 'stored'; offset: string } | NotStored

/** What became of several: all are confirmed; or one of them is not, and any of the others may be written. */
export type RunResult = { kind: 'stored'; offsets: readonly bigint[] } | NotStored

/** A partition of a topic; there is one object for each. */
export type Place = { topic: string; partition: number }

/** A record as it is sent. */
export type BatchRecord = EncodedRecord & { place: Place }

/** That a broker has stored a batch's records of one partition: in their order, without a gap, from `baseOffset` on. */
export type Acknowledgement = {
  topic: string
  partition: number
  baseOffset: string
}

/** What one attempt to send a batch came to. */
export type SendOutcome =
  /** The partitions that the broker confirmed; those of the batch that are missing here may not be written. */
  | { kind: 'answered'; stored: readonly Acknowledgement[] }
  /** A record, or the records of a partition together, are larger than the topic takes. */
  | { kind: 'too_large' }
  /** No answer, or trouble that passes: perhaps written. */
  | { kind: 'failed' }

/** Sends one batch, never rejects, and settles within a bounded time. */
export type SendBatch = (batch: readonly BatchRecord[]) => Promise<SendOutcome>

export type LaneLimits = {
  maxQueuedRecords: number
  maxQueuedBytes: number
  maxBatchRecords: number
  maxBatchBytes: number
  /** A topic limits the *batch* of a partition; a record larger than this travels alone. */
  maxBatchBytesPerPartition: number
}

/** Group commit: many appends wait, one batch is under way. */
export type Lane = {
  /** Resolves within `deadlineMs`, never rejects. */
  append: (record: LogRecord, options: { deadlineMs: number }) => Promise<AppendResult>
  /**
   * Writes a record out, to be appended later: until then nothing is held of it but its bytes, which count towards no
   * limit of the lane.
   */
  encode: (record: LogRecord) => BatchRecord
  /**
   * Appends records that stand or fall in their order: when one of them is not stored, those that were not sent yet
   * are left out, so that no later record of a partition is in the log without an earlier one. Resolves within
   * `deadlineMs`, never rejects.
   */
  appendRun: (records: readonly BatchRecord[], options: { deadlineMs: number }) => Promise<RunResult>
  /** Age of the append that has waited longest; 0 when none waits. */
  oldestWaitMs: () => number
  /** Takes no more, waits for what is under way, and leaves unconfirmed what is not answered in time. */
  close: (options: { deadlineMs: number }) => Promise<void>
}

/** Records with one deadline and one answer. */
type Run = {
  records: Entry[]
  bytes: number
  since: number
  /** How many have been taken into a batch. */
  taken: number
  /** How many are not confirmed. */
  open: number
  settled: boolean
  timer: NodeJS.Timeout | undefined
  resolve: (result: RunResult) => void
}

type Entry = BatchRecord & { bytes: number; run: Run; offset: bigint }

/** How often a batch is sent whose answer leaves partitions out. */
const maxUnproven = 3
/** How often one is sent that fails: for about as long as an append may wait, so that a moving leader is waited for. */
const maxFailures = 8
const firstPauseMs = 100
const longestPauseMs = 500

/**
 * A lane over one connection: first in, first out, one batch at a time, and the time a batch takes is the time in
 * which the next one gathers. What was answered by the deadline is never sent (again) later.
 */
export function createLane(send: SendBatch, limits: LaneLimits): Lane {
  const encoder = new RecordEncoder()
  const placeOf = createPlaces()
  const queue = new Set<Run>()
  const waiting = new Set<Run>()
  let waitingRecords = 0
  let waitingBytes = 0
  let running: Promise<void> | undefined
  let closed = false

  function append(record: LogRecord, { deadlineMs }: { deadlineMs: number }): Promise<AppendResult> {
    return new Promise((resolve) => {
      // Before it is written out, which takes as long as its bytes: many that come at once are refused.
      const refusal = refusalOf(1)
      if (refusal !== null) return resolve(refusal)
      enqueue([encode(record)], deadlineMs, (result) => {
        resolve(result.kind === 'stored' ? { kind: 'stored', offset: result.offsets.join() } : result)
      })
    })
  }

  function encode(record: LogRecord): BatchRecord {
    const { chunk, from, to } = encoder.encode(record)
    return { chunk, from, to, place: placeOf(record.topic, record.partition) }
  }

  function appendRun(
    records: readonly BatchRecord[],
    { deadlineMs }: { deadlineMs: number },
  ): Promise<RunResult> {
    return new Promise((resolve) => {
      const refusal = refusalOf(records.length)
      if (refusal !== null) return resolve(refusal)
      if (records.length === 0) return resolve({ kind: 'stored', offsets: [] })
      enqueue(records, deadlineMs, resolve)
    })
  }

  function refusalOf(records: number): NotStored | null {
    if (closed) return { kind: 'unconfirmed', reason: 'closed' }
    return waitingRecords + records > limits.maxQueuedRecords ? queueFull : null
  }

  /** Takes in records that were not refused. */
  function enqueue(records: readonly BatchRecord[], deadlineMs: number, resolve: Run['resolve']): void {
    const run: Run = {
      records: [],
      bytes: 0,
      since: performance.now(),
      taken: 0,
      open: records.length,
      settled: false,
      timer: undefined,
      resolve,
    }
    for (const { chunk, from, to, place } of records) {
      const bytes = mostRecordPrefixBytes + to - from
      if (bytes > limits.maxQueuedBytes) return resolve({ kind: 'refused', reason: 'too_large' })
      run.bytes += bytes
      run.records.push({ chunk, from, to, place, bytes, run, offset: 0n })
    }
    if (waitingBytes + run.bytes > limits.maxQueuedBytes) return resolve(queueFull)
    run.timer = setTimeout(() => settle(run, { kind: 'unconfirmed', reason: 'deadline' }), deadlineMs)
    queue.add(run)
    waiting.add(run)
    waitingRecords += records.length
    waitingBytes += run.bytes
    running ??= work()
  }

  function settle(run: Run, result: RunResult): void {
    if (run.settled) return
    run.settled = true
    clearTimeout(run.timer)
    queue.delete(run)
    waiting.delete(run)
    waitingRecords -= run.records.length
    waitingBytes -= run.bytes
    run.resolve(result)
  }

  async function work(): Promise<void> {
    // Appends that arrive in the same turn of the event loop share the first batch.
    await new Promise((resolve) => setImmediate(resolve))
    for (let batch = nextBatch(); batch.length > 0; batch = nextBatch()) await deliver(batch)
    running = undefined
  }

  /** Takes the longest head of the queue that fits into one batch. */
  function nextBatch(): Entry[] {
    const batch: Entry[] = []
    const bytesOf = new Map<Place, number>()
    let batchBytes = 0
    for (const run of queue) {
      for (let entry = run.records[run.taken]; entry !== undefined; entry = run.records[run.taken]) {
        const placeBytes = (bytesOf.get(entry.place) ?? 0) + entry.bytes
        batchBytes += entry.bytes
        const fits =
          batch.length < limits.maxBatchRecords &&
          batchBytes <= limits.maxBatchBytes &&
          placeBytes <= limits.maxBatchBytesPerPartition
        if (!fits && batch.length > 0) return batch
        bytesOf.set(entry.place, placeBytes)
        batch.push(entry)
        run.taken += 1
        // One that fits nowhere travels alone.
        if (!fits) return batch
      }
      queue.delete(run)
    }
    return batch
  }

  /** Sends until every record of the batch is answered; what is confirmed is never sent again. */
  async function deliver(batch: readonly Entry[]): Promise<void> {
    let pending = batch.filter(isWaitedFor)
    let unproven = 0
    let failures = 0
    while (pending.length > 0) {
      const outcome = await send(pending)
      switch (outcome.kind) {
        case 'answered':
          pending = confirm(pending, outcome.stored)
          unproven += 1
          break
        case 'too_large':
          return bisect(pending)
        case 'failed':
          failures += 1
          break
      }
      if (pending.length === 0 || unproven >= maxUnproven || failures >= maxFailures) break
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (unproven + failures - 1)))
      pending = pending.filter(isWaitedFor)
    }
    for (const { run } of pending) settle(run, { kind: 'unconfirmed', reason: 'broker' })
  }

  /** Those of them that the broker has not confirmed. */
  function confirm(sent: readonly Entry[], stored: readonly Acknowledgement[]): Entry[] {
    const next = new Map<Place, bigint>()
    for (const { topic, partition, baseOffset } of stored) {
      next.set(placeOf(topic, partition), BigInt(baseOffset))
    }
    const open: Entry[] = []
    for (const entry of sent) {
      const offset = next.get(entry.place)
      if (offset === undefined) {
        open.push(entry)
        continue
      }
      // One that nobody waits for any more was sent too and has its place.
      next.set(entry.place, offset + 1n)
      entry.offset = offset
      const { run } = entry
      run.open -= 1
      if (run.open === 0) settle(run, { kind: 'stored', offsets: run.records.map(offsetOf) })
    }
    return open
  }

  async function bisect(refused: readonly Entry[]): Promise<void> {
    const [only, ...others] = refused
    if (only !== undefined && others.length === 0) {
      return settle(only.run, { kind: 'refused', reason: 'too_large' })
    }
    const middle = Math.ceil(refused.length / 2)
    await deliver(refused.slice(0, middle))
    await deliver(refused.slice(middle))
  }

  function oldestWaitMs(): number {
    const [oldest] = waiting
    return oldest === undefined ? 0 : performance.now() - oldest.since
  }

  async function close({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    closed = true
    if (running !== undefined) {
      await within(deadlineMs, 'draining the lane', running).catch(() => undefined)
    }
    for (const run of waiting) settle(run, { kind: 'unconfirmed', reason: 'closed' })
  }

  return { append, encode, appendRun, oldestWaitMs, close }
}

const queueFull: NotStored = { kind: 'refused', reason: 'queue_full' }

const offsetOf = ({ offset }: Entry) => offset

/** A record of a run that was answered, be it by the deadline or since another of its records failed, is left out. */
const isWaitedFor = ({ run }: Entry) => !run.settled

function createPlaces(): (topic: string, partition: number) => Place {
  const places = new Map<string, Map<number, Place>>()
  return (topic, partition) => {
    const ofTopic = places.get(topic) ?? new Map<number, Place>()
    const place = ofTopic.get(partition) ?? { topic, partition }
    if (!ofTopic.has(partition)) places.set(topic, ofTopic.set(partition, place))
    return place
  }
}
