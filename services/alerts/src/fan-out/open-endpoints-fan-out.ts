import { setTimeout as pause } from 'node:timers/promises'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Logger } from '@signalbox/runtime/log'
import { createFanOut, type FanOutPorts } from './fan-out.ts'

export type EndpointsFanOut = AsyncDisposable & {
  /** Resolves when it cannot go on; the process should end then, so that it is started anew. */
  failed: Promise<Error>
  /** Whether all partitions are being read, for the readiness of the process. */
  state: () => { ok: boolean; detail: string }
}

const maxChunkSize = 100

/**
 * Reads the endpoints and turns what operators are to hear of them into obligations and jobs, until it is closed. Their
 * topic is compacted, so its offsets have gaps, which a consumer of a group takes for loss. Every process reads all
 * partitions; the watermark lets one of them through.
 */
export function openEndpointsFanOut({
  reader,
  clusterId,
  topic,
  partitions,
  everyMs = 1_000,
  log,
  ...ports
}: Omit<FanOutPorts, 'reader'> & {
  reader: Pick<PartitionReader, 'bounds' | 'offsetAt' | 'read'>
  clusterId: string
  topic: string
  partitions: number
  /** Between two looks at the topic. */
  everyMs?: number
  log: Logger
}): EndpointsFanOut {
  const fanOut = createFanOut({ ...ports, reader }, { clusterId, topic })
  const stop = new AbortController()
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>()
  /** Where each partition goes on; those that are not in it have to be attached. */
  const next = new Map<number, bigint>()
  let problem: string | null = 'they have not been read yet'

  /** False: it must not be read. */
  async function look(partition: number): Promise<boolean> {
    const { start, end } = await reader.bounds({ topic, partition })
    if (await fanOut.isOvertaken(partition)) next.delete(partition)
    let from = next.get(partition)
    if (from === undefined) {
      const position = { partition, committed: null, logStart: start, logEnd: end }
      const attached = await fanOut.attach(position)
      if (attached.kind !== 'from') {
        fail(new Error(`Partition ${partition} of ${topic} must not be read: ${attached.problem}`))
        return false
      }
      from = attached.offset
    }
    // What fails on the way leaves it to be attached again.
    next.delete(partition)
    for await (const records of reader.read({ topic, partition, from, to: end })) {
      for (let first = 0; first < records.length; first += maxChunkSize) {
        const chunk = { partition, records: records.slice(first, first + maxChunkSize) }
        if (stop.signal.aborted || (await fanOut.process(chunk)).kind !== 'done') return true
      }
    }
    next.set(partition, end > from ? end : from)
    return true
  }

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        for (let partition = 0; partition < partitions; partition++) if (!(await look(partition))) return
        problem = null
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        if (problem !== reason) log.warn({ topic, problem: reason }, 'fan_out.endpoints_not_read')
        problem = reason
      }
      await pause(everyMs, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }

  const following = follow()
  return {
    failed,
    state: () =>
      problem === null
        ? { ok: true, detail: 'operators hear of all endpoints' }
        : { ok: false, detail: `the endpoints are not read: ${problem}` },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await following
    },
  }
}
