import type { Supervisor } from '@signalbox/embedded/supervisor'
import { z } from 'zod'
import { startMeasured } from '../measure/measured-process.ts'
import type { Usage } from '../measure/process-usage.ts'

/** All merchants' endpoints, in a process of their own. What is posted to `<url>/<series>/…` is counted there. */
export type Sink = AsyncDisposable & {
  url: string
  usage: () => Promise<Usage>
  /** Calls, and how many different alerts they were; zero for a series of which nothing came. */
  count(series: string): Promise<{ calls: number; alerts: number }>
  /** When each alert came first, epoch milliseconds with fractions, by its id. */
  arrivals(series: string): Promise<Map<string, number>>
  /** Answers the calls that hang; none hangs any more until all is cleared. */
  release(): Promise<void>
  /** Forgets all that came. */
  clear(): Promise<void>
}

const listening = z.object({ port: z.number().int().positive() })
const counts = z.record(z.string(), z.object({ calls: z.number(), alerts: z.number() }))
const arrivals = z.array(z.tuple([z.string(), z.number()]))

export async function startSink({ supervisor }: { supervisor: Supervisor }): Promise<Sink> {
  const process = await startMeasured({
    supervisor,
    name: 'sink',
    main: 'bench/src/alerts/variants/sink.ts',
    readyEvent: 'bench.listening',
  })
  const { port } = listening.parse(process.ready)
  const url = `http://127.0.0.1:${port}`
  const ask = async (path: string, method = 'GET') => (await fetch(`${url}/-/${path}`, { method })).json()
  return {
    url,
    usage: process.usage,
    async count(series) {
      return counts.parse(await ask('counts'))[series] ?? { calls: 0, alerts: 0 }
    },
    async arrivals(series) {
      return new Map(arrivals.parse(await ask(`arrivals/${series}`)))
    },
    async release() {
      await ask('hanging', 'POST')
    },
    async clear() {
      await ask('counts', 'DELETE')
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}
