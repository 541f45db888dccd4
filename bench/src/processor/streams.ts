import { merchantKey } from '@signalbox/contracts/keys'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'
import { merchantId, notificationBody } from '../notification-body.ts'

/** Each asks for other work: everything is new; nothing is but the Request-Time; nothing at all; or some of each. */
export const streamNames = ['fresh', 'repeated', 'copied', 'mixed'] as const
export type StreamName = (typeof streamNames)[number]

/** One notification: the step-th content of the n-th registration, signed at that time. */
export type Notification = { n: number; step: number; requestTimeMs: number }

/** What the records of a stream must come to: in the books, and how many of them move a register. */
export type Expected = { applied: number; repeated: number; moved: number }

const clientId = 'SANDBOX_5X00000000000000'
const requestUri = '/alipayplus/notifyRegistrationStatus'
/** As long as a real one. */
const signature = `algorithm=RSA256, keyVersion=1, signature=${'A'.repeat(342)}%3D%3D`

/**
 * Notifications that follow each other. Every `fresh` one is on a registration of its own; the other streams go over
 * the registrations of the fresh stream that came last.
 */
export function createStreams({ startMs }: { startMs: number }) {
  let registrations = 0
  let known: Notification[] = []
  let timeMs = startMs

  /** Later than every other before. */
  const signed = (notification: Omit<Notification, 'requestTimeMs'>): Notification => {
    timeMs += 1
    return { ...notification, requestTimeMs: timeMs }
  }
  const createNew = () => signed({ n: registrations++, step: 0 })

  const streams: Record<StreamName, (count: number) => Notification[]> = {
    fresh(count) {
      known = Array.from({ length: count }, createNew)
      return known
    },
    repeated(count) {
      known = known.slice(0, count).map(signed)
      return known
    },
    copied: (count) => known.slice(0, count),
    mixed(count) {
      const visited = known.values()
      return Array.from({ length: count }, (_, index) => {
        const turn = index % mixedTurns
        if (turn < mixedNew) return createNew()
        const before = visited.next().value
        if (before === undefined) throw new Error('a mixed stream is at most as long as the fresh one before')
        if (turn < mixedNew + mixedChanged) return signed({ ...before, step: before.step + 1 })
        return turn === mixedTurns - 1 ? before : signed(before)
      })
    },
  }

  return {
    take: (stream: StreamName, count: number) => streams[stream](count),
    /** How many registrations there are so far. */
    count: () => registrations,
  }
}

/** Of ten records of a mixed stream: three new registrations, two new contents, four repeats, one exact copy. */
const mixedTurns = 10
const mixedNew = 3
const mixedChanged = 2

/** What so many records of a stream come to. */
export function expectedOf(stream: StreamName, count: number): Expected {
  const appliedOfTurn = mixedNew + mixedChanged
  const mixed = Math.floor(count / mixedTurns) * appliedOfTurn + Math.min(count % mixedTurns, appliedOfTurn)
  const applied = { fresh: count, repeated: 0, copied: 0, mixed }[stream]
  const exactCopies = { fresh: 0, repeated: 0, copied: count, mixed: Math.floor(count / mixedTurns) }[stream]
  return { applied, repeated: count - applied, moved: count - exactCopies }
}

/** The first of them that goes to each partition. */
export function oneForEachPartition(
  notifications: readonly Notification[],
  partitions: number,
): Notification[] {
  const found = new Map<number, Notification>()
  for (const notification of notifications) {
    const partition = partitionOf(keyOf(notification), partitions)
    if (!found.has(partition)) found.set(partition, notification)
    if (found.size === partitions) break
  }
  return [...found.values()]
}

function keyOf({ n }: Notification): string {
  return merchantKey({ clientId, referenceMerchantId: merchantId(n) })
}

/** The raw record that an ingress makes of it. */
export function rawRecord(
  notification: Notification,
  { topic, partitions }: { topic: string; partitions: number },
): LogRecord {
  const { n, step, requestTimeMs } = notification
  const key = keyOf(notification)
  return {
    topic,
    partition: partitionOf(key, partitions),
    key,
    value: notificationBody(n, step),
    headers: encodeRawHeaders({
      kind: 'notification',
      notificationId: crypto.randomUUID(),
      requestUri,
      clientId,
      requestTime: new Date(requestTimeMs).toISOString(),
      requestTimeMs,
      signature,
      keyVersion: '1',
      dialect: 'alipayplus',
      push: false,
      traceparent: null,
    }),
  }
}
