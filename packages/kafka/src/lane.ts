import { within } from './deadline.ts'
import { pause } from './pause.ts'

/** One record to append. The partition is always named: the order within it is a promise. */
export type LogRecord = {
  topic: string
  partition: number
  key: string
  value: Buffer | string | null
  headers?: Record<string, string | Buffer>
}

/** What became of one append. */
export type AppendResult =
  /** The broker has confirmed it; `offset` is the record's own in its partition. */
  | { kind: 'stored'; offset: string }
  /** It was not written and will not be. */
  | { kind: 'refused'; reason: 'queue_full' | 'too_large' }
  /** Nobody knows: perhaps it is written, perhaps it will still be. */
  | { kind: 'unconfirmed'; reason: 'deadline' | 'broker' | 'closed' }

/** That a broker has stored a batch's records of one partition: in their order, without a gap, from `baseOffset` on. */
export type Acknowledgement = { topic: string; partition: number; baseOffset: string }

/** What one attempt to send a batch came to. */
export type SendOutcome =
  /** The partitions that the broker confirmed; those of the batch that are missing here may not be written. */
  | { kind: 'answered'; stored: readonly Acknowledgement[] }
  /** A record, or the records of a partition together, are larger than the topic takes. */
  | { kind: 'too_large' }
  /** No answer, or trouble that passes: perhaps written. */
  | { kind: 'failed' }

/** Sends one batch, never rejects, and settles within a bounded time. */
export type SendBatch = (batch: readonly LogRecord[]) => Promise<SendOutcome>

export type LaneLimits = {
  maxQueuedRecords: number
  maxQueuedBytes: number
  maxBatchRecords: number
  maxBatchBytes: number
  /** A topic limits the *batch* of a partition; a record larger than this travels alone. */
  maxBatchBytesPerPartition: number
}

/**
 * Appends that stand or fall in their order: when one of them is not stored, those behind it that were not sent yet
 * are left out, so that no later record is in the log without an earlier one.
 */
export type Sequence = { isBroken: boolean }

/** Group commit: many appends wait, one batch is under way. */
export type Lane = {
  /** Resolves within `deadlineMs`, never rejects. */
  append: (record: LogRecord, options: { deadlineMs: number; sequence?: Sequence }) => Promise<AppendResult>
  /** Age of the append that has waited longest; 0 when none waits. */
  oldestWaitMs: () => number
  /** Takes no more, waits for what is under way, and leaves unconfirmed what is not answered in time. */
  close: (options: { deadlineMs: number }) => Promise<void>
}

type Waiter = {
  record: LogRecord
  bytes: number
  since: number
  settled: boolean
  sequence: Sequence | undefined
  timer: NodeJS.Timeout
  resolve: (result: AppendResult) => void
}

/** How often a batch is sent whose answer leaves partitions out. */
const maxUnproven = 3
/** How often one is sent that fails: for about as long as an append may wait, so that a moving leader is waited for. */
const maxFailures = 8
const firstPauseMs = 100
const longestPauseMs = 500

/**
 * A lane over one connection: first in, first out, one batch at a time, and the time a batch takes is the time in
 * which the next one gathers. A record whose waiter was answered by the deadline is never sent (again) later.
 */
export function createLane(send: SendBatch, limits: LaneLimits): Lane {
  const queue = new Set<Waiter>()
  const waiting = new Set<Waiter>()
  let waitingBytes = 0
  let running: Promise<void> | undefined
  let closed = false

  function append(
    record: LogRecord,
    { deadlineMs, sequence }: { deadlineMs: number; sequence?: Sequence },
  ): Promise<AppendResult> {
    const bytes = recordBytes(record)
    const refusal = refusalOf(bytes)
    if (refusal !== null) {
      if (sequence) sequence.isBroken = true
      return Promise.resolve(refusal)
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        record,
        bytes,
        since: performance.now(),
        settled: false,
        sequence,
        timer: setTimeout(() => settle(waiter, { kind: 'unconfirmed', reason: 'deadline' }), deadlineMs),
        resolve,
      }
      queue.add(waiter)
      waiting.add(waiter)
      waitingBytes += waiter.bytes
      running ??= run()
    })
  }

  function refusalOf(bytes: number): AppendResult | null {
    if (closed) return { kind: 'unconfirmed', reason: 'closed' }
    if (bytes > limits.maxQueuedBytes) return { kind: 'refused', reason: 'too_large' }
    const isFull = waiting.size >= limits.maxQueuedRecords || waitingBytes + bytes > limits.maxQueuedBytes
    return isFull ? { kind: 'refused', reason: 'queue_full' } : null
  }

  function settle(waiter: Waiter, result: AppendResult): void {
    if (waiter.settled) return
    waiter.settled = true
    clearTimeout(waiter.timer)
    queue.delete(waiter)
    waiting.delete(waiter)
    waitingBytes -= waiter.bytes
    if (waiter.sequence && result.kind !== 'stored') waiter.sequence.isBroken = true
    waiter.resolve(result)
  }

  /** Those of them that are still to be sent. */
  function sendable(waiters: readonly Waiter[]): Waiter[] {
    for (const waiter of waiters) {
      if (waiter.sequence?.isBroken) settle(waiter, { kind: 'unconfirmed', reason: 'broker' })
    }
    return waiters.filter((waiter) => !waiter.settled)
  }

  async function run(): Promise<void> {
    // Appends that arrive in the same turn of the event loop share the first batch.
    await new Promise((resolve) => setImmediate(resolve))
    for (let batch = nextBatch(queue, limits); batch.length > 0; batch = nextBatch(queue, limits)) {
      for (const waiter of batch) queue.delete(waiter)
      await deliver(batch)
    }
    running = undefined
  }

  /** Sends until every record of the batch is answered; what is confirmed is never sent again. */
  async function deliver(batch: readonly Waiter[]): Promise<void> {
    let pending = sendable(batch)
    let unproven = 0
    let failures = 0
    while (pending.length > 0) {
      const outcome = await send(pending.map((waiter) => waiter.record))
      switch (outcome.kind) {
        case 'answered':
          pending = settleStored(pending, outcome.stored)
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
      pending = sendable(pending)
    }
    for (const waiter of pending) settle(waiter, { kind: 'unconfirmed', reason: 'broker' })
  }

  function settleStored(sent: readonly Waiter[], stored: readonly Acknowledgement[]): Waiter[] {
    const next = new Map(stored.map((part) => [`${part.topic} ${part.partition}`, BigInt(part.baseOffset)]))
    return sent.filter((waiter) => {
      const partition = `${waiter.record.topic} ${waiter.record.partition}`
      const offset = next.get(partition)
      if (offset === undefined) return true
      // One that nobody waits for any more was sent too and has its place.
      next.set(partition, offset + 1n)
      settle(waiter, { kind: 'stored', offset: String(offset) })
      return false
    })
  }

  async function bisect(refused: readonly Waiter[]): Promise<void> {
    const [only, ...others] = refused
    if (only !== undefined && others.length === 0) {
      return settle(only, { kind: 'refused', reason: 'too_large' })
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
    for (const waiter of waiting) settle(waiter, { kind: 'unconfirmed', reason: 'closed' })
  }

  return { append, oldestWaitMs, close }
}

/** The longest head of the queue that fits into one batch. */
function nextBatch(queue: Iterable<Waiter>, limits: LaneLimits): Waiter[] {
  const batch: Waiter[] = []
  const bytesByPartition = new Map<string, number>()
  let batchBytes = 0
  for (const waiter of queue) {
    const partition = `${waiter.record.topic} ${waiter.record.partition}`
    const partitionBytes = (bytesByPartition.get(partition) ?? 0) + waiter.bytes
    batchBytes += waiter.bytes
    const fits =
      batch.length < limits.maxBatchRecords &&
      batchBytes <= limits.maxBatchBytes &&
      partitionBytes <= limits.maxBatchBytesPerPartition
    if (!fits) return batch.length > 0 ? batch : [waiter]
    bytesByPartition.set(partition, partitionBytes)
    batch.push(waiter)
  }
  return batch
}

/** What a record needs on the wire at most, apart from its share of the batch header. */
function recordBytes({ key, value, headers }: LogRecord): number {
  let bytes = 40 + mostBytesOf(key) + mostBytesOf(value ?? '')
  for (const name in headers) bytes += 8 + mostBytesOf(name) + mostBytesOf(headers[name] ?? '')
  return bytes
}

/** A long text is measured; the many short ones are not worth it: UTF-8 needs three bytes a character at most. */
function mostBytesOf(content: string | Buffer): number {
  if (typeof content !== 'string') return content.length
  return content.length > 100 ? Buffer.byteLength(content) : content.length * 3
}
