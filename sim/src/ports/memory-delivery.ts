import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { Producer } from '@signalbox/kafka/producer'
import { type OwedAlert, registrationOf } from '@signalbox/alerts/owed-alert'
import type { ReceiptsSeen } from '@signalbox/alerts/receipts-seen'
import type { Ask } from '../scheduler.ts'
import type { Book, Job, QueueRedis } from './memory-alerts.ts'

const lockMs = 30_000

/**
 * What delivers in a process, as far as it matters for what is sent twice: it takes a job, looks of each of its alerts
 * whether it is settled, calls, writes the receipt, settles. No job is kept when it is done, so only markers know what was
 * sent. What goes wrong leaves the job locked for a while.
 */
export function startMemoryDelivery(options: {
  redis: QueueRedis
  ask: Ask
  book: Pick<Book, 'begin' | 'settle' | 'clear'>
  producer: Pick<Producer, 'publish'>
  receiptsTopic: string
  receiptsSeen: Pick<ReceiptsSeen, 'isDoubtful' | 'upTo'>
  nowMs: () => number
  /** Calls back after a time. */
  after: (ms: number, action: () => void) => void
  /** The run of a job, which had so many before, comes to an alert; what it gives is told with the call that comes of it. */
  begins: (alert: OwedAlert, runsBefore: number) => { isReceived: boolean }
  calls: (alertId: string, run: { isReceived: boolean }) => void
}): void {
  const { redis, ask, book, receiptsSeen, nowMs, after } = options
  let isWorking = false
  let isAlarmSet = false

  const firstFree = () =>
    [...redis.now().jobs.values()].find(
      ({ state, lockedUntilMs }) => state === 'live' && lockedUntilMs <= nowMs(),
    )

  function wake(): void {
    if (isWorking) return
    if (firstFree() !== undefined) return work()
    const locked = [...redis.now().jobs.values()].filter(({ state }) => state === 'live')
    if (locked.length === 0 || isAlarmSet) return
    isAlarmSet = true
    const inMs = Math.min(...locked.map(({ lockedUntilMs }) => lockedUntilMs)) - nowMs()
    after(Math.max(inMs, 1), () => {
      isAlarmSet = false
      wake()
    })
  }

  function work(): void {
    isWorking = true
    const rest = (pauseMs: number) =>
      after(pauseMs, () => {
        isWorking = false
        wake()
      })
    runOne().then(
      () => rest(0),
      () => rest(1_000),
    )
  }

  async function runOne(): Promise<void> {
    const taken = await ask({ system: 'queue redis', what: 'take a job', writes: true }, () => {
      const job = firstFree()
      if (job === undefined) return null
      setJob({ ...job, lockedUntilMs: nowMs() + lockMs, runs: job.runs + 1 })
      return job
    })
    if (taken === null) return
    const { id, alerts, runs } = taken
    for (const alert of alerts) await runAlert(alert, runs)
    await ask({ system: 'queue redis', what: 'end a job', writes: true }, () => {
      const jobs = new Map(redis.now().jobs)
      if (jobs.delete(id)) redis.set({ ...redis.now(), jobs })
    })
  }

  async function runAlert(alert: OwedAlert, runsBefore: number): Promise<void> {
    const begun = options.begins(alert, runsBefore)
    if (runsBefore > 0 || receiptsSeen.isDoubtful(alert.partition)) await receiptsSeen.upTo(alert.partition)
    const { isSettled, body } = await book.begin(alert, { skipsSuperseded: false })
    if (isSettled) return book.clear(alert)
    if (body === null) throw new Error('the body is lost')
    await ask({ system: 'endpoint', what: 'call', writes: true }, () => options.calls(alert.id, begun))
    await options.producer.publish([receiptOf(alert, options.receiptsTopic)], { deadlineMs: 5_000 })
    await book.settle(alert.partition, [{ alert, isCountedDown: false }], Date.now())
  }

  function setJob(job: Job): void {
    redis.set({ ...redis.now(), jobs: new Map(redis.now().jobs).set(job.id, job) })
  }

  redis.onChange(() => after(0, wake))
  wake()
}

function receiptOf({ id, subject, version, endpointId, partition }: OwedAlert, topic: string) {
  const receipt: AlertReceipt = {
    alertId: id,
    subject,
    registration: registrationOf(subject),
    version,
    endpointId,
    partition,
    eventTypes: [],
    outcome: 'delivered',
    reason: null,
    attempts: 1,
    lastStatus: 204,
    lastError: null,
    firstAttemptAt: null,
    lastAttemptAt: null,
    settledAt: new Date(Date.now()).toISOString(),
  }
  return { topic, partition, key: id, value: JSON.stringify(receipt) }
}
