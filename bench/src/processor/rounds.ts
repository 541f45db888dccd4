import { topics } from '@signalbox/contracts/topics'
import { readAllBooks } from './books.ts'
import { startObvious, startProcessor } from './measure/measured-processor.ts'
import { type Measurement, measureBacklog } from './measure/measurement.ts'
import { type SeriesName, seriesTitles } from './report/results.ts'
import { createStreams, expectedOf, type Notification, streamNames, type StreamName } from './streams.ts'
import type { Workbench } from './workbench.ts'

export type RoundOptions = {
  rounds: number
  /** Measured in each stream, after the warm-up. */
  records: number
  warmUp: number
  obviousRecords: number
  profileFolder: string | null
  progress: (message: string) => void
}

export type Rounds = {
  series: Record<SeriesName, Measurement[]>
  /** How many registrations the processor has been told of. */
  registrations: number
  /** Some of what it has been told. */
  said: readonly Notification[]
  /** What did not come out as it should. */
  problems: string[]
}

/**
 * Measures all streams and the obvious implementation in turns, so that a machine that gets slower or faster does so to
 * all of them. Each time the backlog is there before the process starts, and its first records warm the process up.
 */
export async function measureRounds(bench: Workbench, options: RoundOptions): Promise<Rounds> {
  const { rounds, records, warmUp, obviousRecords, profileFolder, progress } = options
  const streams = createStreams({ startMs: Date.now() })
  const obviousStreams = createStreams({ startMs: Date.now() })
  const series: Rounds['series'] = { fresh: [], repeated: [], copied: [], mixed: [], obvious: [] }
  const problems: string[] = []
  let said: readonly Notification[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const stream of streamNames) {
      const notifications = streams.take(stream, warmUp + records)
      said = notifications
      note(round, stream, await measureStream(stream, notifications))
    }
    const obviousWarmUp = Math.ceil(obviousRecords * Math.min(1, warmUp / records))
    const notifications = obviousStreams.take('fresh', obviousWarmUp + obviousRecords)
    note(round, 'obvious', await measureObvious(notifications, obviousWarmUp))
  }
  return { series, registrations: streams.count(), said, problems }

  function note(round: number, name: SeriesName, measurement: Measurement): void {
    const { recordsPerSecond, cpuMicros } = measurement
    series[name].push(measurement)
    progress(
      `round ${round}: ${seriesTitles[name]}: ${recordsPerSecond.toFixed(0)}/s, ${cpuMicros.toFixed(1)} µs`,
    )
  }

  async function measureStream(
    stream: StreamName,
    notifications: readonly Notification[],
  ): Promise<Measurement> {
    const before = { books: await readAllBooks(bench), published: await countPublished(topics) }
    await bench.append(topics.raw.name, notifications)
    await using worker = await startProcessor(bench, { profileFolder })
    const measurement = await measureBacklog({
      worker,
      pids: bench.pids,
      settled: async () => (await readAllBooks(bench)).total - before.books.total,
      warmUp,
      total: notifications.length,
    })
    const { counts } = await readAllBooks(bench)
    const { applied, repeated, moved } = expectedOf(stream, notifications.length)
    for (const outcome of ['applied', 'flagged', 'repeated', 'stale', 'quarantined'] as const) {
      const due = { applied, flagged: 0, repeated, stale: 0, quarantined: 0 }[outcome]
      check(stream, outcome, { came: counts[outcome] - before.books.counts[outcome], due })
    }
    const published = await countPublished(topics)
    atLeast(stream, 'changes', { came: published.changes - before.published.changes, due: applied })
    atLeast(stream, 'states', { came: published.state - before.published.state, due: moved })
    return measurement
  }

  async function measureObvious(
    notifications: readonly Notification[],
    obviousWarmUp: number,
  ): Promise<Measurement> {
    const { registrations, topics: own } = bench.obvious
    const before = await bench.extentOf(own.state)
    await bench.append(own.raw, notifications)
    await using worker = await startObvious(bench)
    const measurement = await measureBacklog({
      worker,
      pids: bench.pids,
      settled: async () => (await bench.extentOf(own.state)).records - before.records,
      warmUp: obviousWarmUp,
      total: notifications.length,
    })
    const due = obviousStreams.count()
    check('obvious', 'registrations', { came: await bench.redis.hlen(registrations), due })
    check('obvious', 'changes', { came: (await bench.extentOf(own.changes)).records, due })
    return measurement
  }

  async function countPublished({ changes, state }: Record<'changes' | 'state', { name: string }>) {
    const [ofChanges, ofState] = [await bench.extentOf(changes.name), await bench.extentOf(state.name)]
    return { changes: ofChanges.records, state: ofState.records }
  }

  function check(name: SeriesName, what: string, { came, due }: { came: number; due: number }): void {
    if (came !== due) problems.push(`${seriesTitles[name]}: ${came} ${what} instead of ${due}`)
  }

  /** After trouble with Kafka a record may stand in a topic twice. */
  function atLeast(name: SeriesName, what: string, { came, due }: { came: number; due: number }): void {
    check(name, what, { came: Math.min(came, due), due })
  }
}
