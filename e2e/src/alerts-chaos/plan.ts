import { createHash } from 'node:crypto'

export const faultKinds = [
  'alerts killed',
  'alerts stopped',
  'queue redis killed',
  'queue redis lost its tail',
  'queue redis flushed',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** What goes wrong, and when: `after` so many answered calls. `process` counts from 0. */
export type Fault = { after: number } & (
  | { kind: 'alerts killed'; process: number }
  /** SIGSTOP for longer than a job's lock holds. */
  | { kind: 'alerts stopped'; process: number; forMs: number }
  | { kind: 'queue redis killed'; downMs: number }
  /** Killed, and the end of its append-only file cut off: `share` of the file's bytes. */
  | { kind: 'queue redis lost its tail'; downMs: number; share: number }
  | { kind: 'queue redis flushed' }
)

/** How a merchant's endpoint answers: 204, 204 after a while, or first not at all well and then 204. */
export type Manner = 'quick' | 'slow' | 'fails first' | 'resets first'

/** `merchant` is `*` for an endpoint of the whole client. */
export type PlannedEndpoint = { id: string; merchant: string; manner: Manner }

/** All that a seed decides. */
export type Plan = {
  seed: number
  /** How many alerts are owed in all. */
  alerts: number
  /** Processes of the alerts service. */
  processes: number
  /** In the order of `after`. */
  faults: readonly Fault[]
}

/** How long what is stopped stays stopped: longer than a lock, and in some cases than a consumer's session. */
export type StopTimes = { leastMs: number; mostMs: number }

export const merchants = ['merchant-0', 'merchant-1', 'merchant-2', 'merchant-3'] as const

/** Every change is told to the four of the whole client and to its merchant's own. */
export const endpoints: readonly PlannedEndpoint[] = [
  { id: 'all-quick', merchant: '*', manner: 'quick' },
  { id: 'all-slow', merchant: '*', manner: 'slow' },
  { id: 'all-fails', merchant: '*', manner: 'fails first' },
  { id: 'all-resets', merchant: '*', manner: 'resets first' },
  { id: 'own-quick', merchant: 'merchant-0', manner: 'quick' },
  { id: 'own-slow', merchant: 'merchant-1', manner: 'slow' },
  { id: 'own-fails', merchant: 'merchant-2', manner: 'fails first' },
  { id: 'own-slow-too', merchant: 'merchant-3', manner: 'slow' },
]

export const alertsPerChange = 5

/** Faults come while there is something to do: not among the first and the last calls. */
const earliest = 0.05
const latest = 0.85
/** So many come while the one before is still being dealt with: fewer calls after it than this. */
const closeShare = 0.4
const mostBetween = 150
const mostCut = 0.3
const longestDownMs = 1_500

/** The same seed gives the same plan. */
export function planOf(seed: number, { alerts, stops }: { alerts: number; stops: StopTimes }): Plan {
  const draw = (name: string) => drawn(seed, name)
  const below = (name: string, limit: number) => Math.floor(draw(name) * limit)
  const processes = draw('processes') < 0.5 ? 1 : 2

  function afterOf(index: number): number {
    const isClose = index > 0 && draw(`fault ${index} close`) < closeShare
    if (isClose) return afterOf(index - 1) + below(`fault ${index} gap`, mostBetween)
    return Math.round(alerts * (earliest + (latest - earliest) * draw(`fault ${index} after`)))
  }

  function faultOf(index: number): Fault {
    const named = (what: string) => `fault ${index} ${what}`
    const after = afterOf(index)
    const process = below(named('process'), processes)
    const downMs = below(named('down'), longestDownMs)
    const kind = faultKinds[below(named('kind'), faultKinds.length)] ?? 'alerts killed'
    if (kind === 'alerts killed') return { after, kind, process }
    if (kind === 'alerts stopped') {
      const forMs = stops.leastMs + below(named('stop'), stops.mostMs - stops.leastMs + 1)
      return { after, kind, process, forMs }
    }
    if (kind === 'queue redis flushed') return { after, kind }
    const share = Math.round(mostCut * draw(named('share')) * 1_000) / 1_000
    return kind === 'queue redis killed' ? { after, kind, downMs } : { after, kind, downMs, share }
  }

  const faults = Array.from({ length: 2 + below('faults', 3) }, (_, index) => faultOf(index))
  return { seed, alerts, processes, faults: faults.toSorted((a, b) => a.after - b.after) }
}

/** From 0 to below 1, the same for the same seed and name. */
export function drawn(seed: number, name: string): number {
  return createHash('sha256').update(`${seed} ${name}`).digest().readUInt32BE(0) / 2 ** 32
}

export function describePlan({ seed, alerts, processes, faults }: Plan): string {
  return [`seed ${seed}: alerts ${alerts}, processes ${processes}`, ...faults.map(describeFault)].join('; ')
}

function describeFault({ kind, ...details }: Fault): string {
  return `${kind} (${Object.entries(details)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')})`
}
