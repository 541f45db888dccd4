import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type MeasuredProcess, startMeasured } from '../../measure/measured-process.ts'
import type { Workbench } from '../workbench.ts'

const processorStarted = z.object({ opsPort: z.number().int().positive() })

/** Starts the processor as in production: its limits, its metrics, its log. */
export function startProcessor(
  { supervisor, processorEnvironment }: Workbench,
  { profileFolder }: { profileFolder: string | null },
): Promise<MeasuredProcess> {
  const profiling =
    profileFolder === null ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileFolder}` }
  return startMeasured({
    supervisor,
    name: 'processor',
    main: 'services/processor/src/main.ts',
    environment: { ...processorEnvironment, ...profiling },
    readyEvent: 'processor.started',
  })
}

const readyDeadlineMs = 60_000
const readyPollMs = 50

/** Waits until the processor reads all its partitions. @throws an Error with its answer when that takes too long */
export async function untilReady({ ready }: MeasuredProcess): Promise<void> {
  const { opsPort } = processorStarted.parse(ready)
  const giveUpAt = performance.now() + readyDeadlineMs
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`)
    const text = await answer.text()
    if (answer.ok) return
    if (performance.now() > giveUpAt) throw new Error(`The processor does not get ready: ${text}`)
    await delay(readyPollMs)
  }
}

export function startObvious({ supervisor, obvious }: Workbench): Promise<MeasuredProcess> {
  return startMeasured({
    supervisor,
    name: 'obvious',
    main: 'bench/src/processor/variants/obvious.ts',
    args: [JSON.stringify(obvious)],
    readyEvent: 'bench.consuming',
  })
}
