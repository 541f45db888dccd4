import { setTimeout as delay } from 'node:timers/promises'
import { topics } from '@signalbox/contracts/topics'
import type { MeasuredProcess } from '../../measure/measured-process.ts'
import { countRegistrations, readAllBooks } from '../books.ts'
import type { Notification } from '../streams.ts'
import type { Workbench } from '../workbench.ts'
import { startProcessor, untilReady } from './measured-processor.ts'

/** How long the view took to come back from the state topic. */
export type Rebuild = {
  registrations: number
  /** Records of the state topic, of which all were read: several per registration until it is compacted. */
  stateRecords: number
  seconds: number
  registrationsPerSecond: number
  /** CPU of the worker per registration. */
  cpuMicros: number
}

const pollMs = 20
const limitMs = 300_000

/**
 * Empties Redis under a running processor and waits until all registrations are back, as often as asked. Nothing of
 * the raw topic is left by then, as if it had been kept for its two weeks only: what comes back comes from the state
 * topic, and there is nothing to fold again.
 *
 * @throws an Error when it takes longer than five minutes
 */
export async function measureRebuilds(
  bench: Workbench,
  options: {
    times: number
    registrations: number
    /** Of known contents, one for each partition. */
    wakers: readonly Notification[]
    profileFolder: string | null
    progress: (message: string) => void
  },
): Promise<{ rebuilds: Rebuild[]; problems: string[] }> {
  const { times, registrations, wakers, profileFolder, progress } = options
  const rebuilds: Rebuild[] = []
  const problems: string[] = []
  if (times === 0) return { rebuilds, problems }
  await deleteRawRecords(bench)
  await using worker = await startProcessor(bench, { profileFolder })
  await untilReady(worker)
  for (let time = 1; time <= times; time++) {
    const rebuild = await measureRebuild(bench, { worker, registrations, wakers })
    progress(`rebuild ${time}: ${rebuild.registrationsPerSecond.toFixed(0)} registrations/s`)
    rebuilds.push(rebuild)
    const found = await countRegistrations(bench.redis)
    if (found !== registrations)
      problems.push(`rebuild: ${found} registrations came back instead of ${registrations}`)
    const { counts } = await readAllBooks(bench)
    if (counts.applied > 0) problems.push(`rebuild: ${counts.applied} known contents were taken for new`)
  }
  return { rebuilds, problems }
}

async function deleteRawRecords({ admin, extentOf }: Workbench): Promise<void> {
  const { ends } = await extentOf(topics.raw.name)
  await admin.deleteTopicRecords({
    topic: topics.raw.name,
    partitions: [...ends].map(([partition, end]) => ({ partition, offset: String(end) })),
  })
}

async function measureRebuild(
  bench: Workbench,
  options: { worker: MeasuredProcess; registrations: number; wakers: readonly Notification[] },
): Promise<Rebuild> {
  const { worker, registrations, wakers } = options
  const { records: stateRecords } = await bench.extentOf(topics.state.name)
  await bench.redis.flushall()
  const before = await worker.usage()
  const begun = performance.now()
  // Whoever has nothing to do need not notice at once that Redis is empty.
  await bench.append(topics.raw.name, wakers)
  const { ends } = await bench.extentOf(topics.raw.name)
  await untilCounted(bench, ends)
  const seconds = (performance.now() - begun) / 1000
  const after = await worker.usage()
  return {
    registrations,
    stateRecords,
    seconds,
    registrationsPerSecond: registrations / seconds,
    cpuMicros: ((after.cpuMs - before.cpuMs) * 1000) / registrations,
  }
}

async function untilCounted(bench: Workbench, ends: ReadonlyMap<number, bigint>): Promise<void> {
  const giveUpAt = performance.now() + limitMs
  for (;;) {
    const { countedThrough } = await readAllBooks(bench)
    if ([...ends].every(([partition, end]) => countedThrough.get(partition) === end - 1n)) return
    if (performance.now() > giveUpAt) throw new Error(`The view has not come back within ${limitMs} ms`)
    await delay(pollMs)
  }
}
