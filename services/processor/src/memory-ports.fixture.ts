import assert from 'node:assert/strict'
import { registrationKey } from '@signalbox/contracts/keys'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import type { LogRecord, Producer } from '@signalbox/kafka/producer'
import type { StoredRegistration } from '@signalbox/registration-store/registration-store'
import { unpackStored } from '@signalbox/registration-store/stored-registration'
import { nextMarker } from '@signalbox/registration-store/watermark'
import type { PartitionWorkerPorts } from './partition-worker.ts'

/** A view in memory that compares and sets as the real one does. For tests. */
export function createMemoryStore() {
  const registrations = new Map<string, StoredRegistration>()
  const attention = new Map<string, number>()
  const held = {
    watermark: null as string | null,
    countedThrough: null as string | null,
    registrations,
    attention,
    /** As many of the registrations asked for come at once. */
    mostLoaded: Number.POSITIVE_INFINITY,
  }

  function replace(expected: string | null, next: string | null) {
    if (held.watermark !== expected) return { kind: 'fenced', watermark: held.watermark } as const
    held.watermark = next
    return { kind: 'saved' } as const
  }

  function write({
    registrations: written,
    removed,
    attention: moves,
  }: Pick<
    Parameters<PartitionWorkerPorts['store']['restore']>[0],
    'registrations' | 'removed' | 'attention'
  >): void {
    for (const one of written) {
      const stored = 'packed' in one ? unpackStored(one.packed) : one.stored
      registrations.set(registrationKey(one.registration), stored)
    }
    for (const registration of removed) registrations.delete(registrationKey(registration))
    for (const { kind, registration, sinceMs } of moves) {
      const listed = `${kind} ${registrationKey(registration)}`
      if (sinceMs === null) attention.delete(listed)
      else attention.set(listed, sinceMs)
    }
  }

  const store: PartitionWorkerPorts['store'] = {
    load: async ({ registrations: asked }) => ({
      watermark: held.watermark,
      countedThrough: held.countedThrough,
      registrations: asked
        .slice(0, held.mostLoaded)
        .map((ref) => registrations.get(registrationKey(ref)) ?? null),
    }),
    save: async (chunk) => {
      const saved = replace(chunk.expected, chunk.next)
      if (saved.kind === 'fenced') return saved
      write(chunk)
      held.countedThrough = chunk.counted?.countedThrough ?? held.countedThrough
      return saved
    },
    readWatermark: async () => held.watermark,
    beginRebuild: async ({ expected, marker }) => {
      const begun = replace(expected, marker)
      if (begun.kind === 'fenced') return begun
      held.countedThrough = null
      attention.clear()
      return { kind: 'begun' }
    },
    clear: async ({ marker }) => {
      const next = nextMarker(marker)
      const cleared = replace(marker, next)
      if (cleared.kind === 'fenced') return cleared
      const [first] = registrations.keys()
      if (first !== undefined) registrations.delete(first)
      return { kind: 'cleared', marker: next, next: registrations.size === 0 ? null : 'more' }
    },
    restore: async ({ marker, ...batch }) => {
      const restored = replace(marker, nextMarker(marker))
      if (restored.kind === 'saved') write(batch)
      return restored
    },
    finishRebuild: async ({ marker, next }) => replace(marker, next),
  }
  return { held, store }
}

/** Logs in memory, for one partition of each topic. For tests. */
export function createMemoryLogs() {
  const logs = new Map<string, ConsumedRecord[]>()
  /** Where a log starts, if not with its first record. */
  const starts = new Map<string, bigint>()
  const logOf = (topic: string) => {
    const log = logs.get(topic) ?? []
    logs.set(topic, log)
    return log
  }

  function append({ topic, partition, key, value, headers = {} }: LogRecord): bigint {
    const log = logOf(topic)
    const offset = (log.at(-1)?.offset ?? -1n) + 1n
    log.push({
      topic,
      partition,
      offset,
      timestampMs: 0,
      key,
      value: value === null ? null : Buffer.from(value),
      headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
      bytes: 0,
    })
    return offset
  }

  const reader: PartitionWorkerPorts['reader'] = {
    async *read({ topic, from, to }) {
      const found = logOf(topic).filter(({ offset }) => offset >= from && offset < to)
      // In two parts, as a range may come.
      const middle = Math.ceil(found.length / 2)
      if (middle > 0) yield found.slice(0, middle)
      if (found.length > middle) yield found.slice(middle)
    },
    bounds: async ({ topic }) => ({
      start: starts.get(topic) ?? 0n,
      end: (logOf(topic).at(-1)?.offset ?? -1n) + 1n,
    }),
    offsetAt: async ({ topic, timeMs }) => {
      const log = logOf(topic)
      const found = log.find(({ timestampMs }) => timestampMs >= timeMs)
      return found?.offset ?? (log.at(-1)?.offset ?? -1n) + 1n
    },
  }

  return {
    reader,
    starts,
    append,
    records: (topic: string): readonly ConsumedRecord[] => logOf(topic),
    /** Puts records as they are, for the raw topic. */
    put(records: readonly ConsumedRecord[]): void {
      for (const record of records) {
        const log = logOf(record.topic)
        assert(record.offset === BigInt(log.length), 'records are put in their places')
        log.push(record)
      }
    },
  }
}

/** What is encoded is published as it was given. */
export function producerOver(
  publish: (records: readonly LogRecord[]) => Promise<readonly bigint[]>,
): Pick<Producer, 'publish' | 'encode'> {
  return { publish, encode: (records) => ({ publish: () => publish(records) }) }
}
