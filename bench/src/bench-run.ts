import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type Panel, plotBars } from './report/plot.ts'

/** The environment of the run, which says where Kafka comes from. */
export type Env = Readonly<Record<string, string | undefined>>

/** A number in the options of a bench. */
export function whole(limits: { standard: number; min: number; max: number }, description: string) {
  return z.coerce
    .number()
    .int()
    .min(limits.min)
    .max(limits.max)
    .default(limits.standard)
    .meta({ description, value: 'N' })
}

/** Tells on the error output what the bench is at, with the seconds since it began. */
export function createProgress(): (message: string) => void {
  const begun = performance.now()
  return (message) => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(6)
    process.stderr.write(`[${seconds} s] ${message}\n`)
  }
}

/** What a run came to. */
export type Outcome = {
  /** For the reader, in this order. */
  tables: readonly string[]
  panels: readonly Panel[]
  /** The figures that are compared from one run to the next. */
  headline: object
  /** All that was measured, and how. */
  results: object
  /** Why the figures do not count; none: they do. */
  problems: readonly string[]
}

/**
 * Writes `<name>.json` and `<name>.svg` into the folder and prints the tables; the last line of the output is the
 * headline in JSON. Returns the exit code.
 */
export async function tell(outcome: Outcome, { name, out }: { name: string; out: string }): Promise<number> {
  const { tables, panels, headline, results, problems } = outcome
  const [json, svg] = [join(out, `${name}.json`), join(out, `${name}.svg`)]
  await mkdir(out, { recursive: true })
  const written = { machine: describeMachine(), headline, ...results, problems }
  await writeFile(json, `${JSON.stringify(written, null, 2)}\n`)
  await writeFile(svg, plotBars(panels))

  for (const table of tables) say(table)
  if (problems.length > 0) say(['These figures do not count:', ...problems].join('\n  '))
  say(`Written: ${json}, ${svg}`)
  process.stdout.write(`${JSON.stringify(headline)}\n`)
  return problems.length === 0 ? 0 : 1
}

function describeMachine() {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n\n`)
}
