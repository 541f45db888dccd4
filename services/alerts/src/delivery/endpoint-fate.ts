import type { Endpoint, EndpointChange } from '@signalbox/alert-endpoints/endpoint'
import { type HealthAct, healthAfter, type HealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import type { EndpointAction } from '@signalbox/contracts/endpoint-record'
import type { KnownEndpoint, KnownEndpoints } from './known-endpoints.ts'

/** Changes of an endpoint that deliveries ask for. `busy`: somebody else changes it right now. */
export type ChangeEndpoint = (
  endpointId: string,
  change: Extract<EndpointChange, { kind: 'warn' | 'disable' | 'recover' }>,
) => Promise<{ kind: 'made' | 'busy' }>

/** What attempts do to the endpoint itself: its health, warnings, and whether it goes on. */
export type EndpointFate = {
  /** An attempt has ended. Rejects when Redis or Kafka is away; the next attempt makes up for it. */
  attempted(known: KnownEndpoint, end: { isSuccess: boolean; nowMs: number }): Promise<void>
  /** It has answered that it is no more. Rejects unless that is written down. */
  isGone(endpointId: string): Promise<void>
}

/** A success of an endpoint that is fine anyway is written down this often. */
const successEveryMs = 10_000
const mostTries = 5
const begins: ReadonlySet<string> = new Set<EndpointAction>([
  'created',
  'declared',
  'verified',
  'enabled',
  'recovered',
])

export function createEndpointFate({
  health: store,
  endpoints,
  change,
  budgetMs,
}: {
  health: HealthStore
  endpoints: Pick<KnownEndpoints, 'forget'>
  change: ChangeEndpoint
  /** How long an endpoint may fail without one success. */
  budgetMs: number
}): EndpointFate {
  async function act(endpointId: string, { asked, failingSinceMs }: Asked): Promise<boolean> {
    if (asked === null) return true
    const made = await change(endpointId, changeFor(asked, failingSinceMs))
    endpoints.forget(endpointId)
    return made.kind === 'made'
  }

  return {
    async attempted({ endpoint, health: fares }, { isSuccess, nowMs }) {
      const { endpointId } = endpoint
      const isDisabled = endpoint.state === 'disabled'
      const isNews = fares.failingSinceMs !== null || nowMs - (fares.lastSuccessMs ?? 0) >= successEveryMs
      if (isSuccess && !isDisabled && !isNews) return
      for (let tries = 0; tries < mostTries; tries += 1) {
        const from = tries === 0 ? fares : await store.read(endpointId)
        const usedSinceMs = usedSince(endpoint)
        const next = healthAfter(from, { isSuccess, nowMs, budgetMs, isDisabled, usedSinceMs })
        const isDone = await act(endpointId, { asked: next.act, failingSinceMs: next.health.failingSinceMs })
        // What could not be done now is asked for again by the next attempt.
        const to = isDone ? next.health : { ...next.health, warnedPercent: from.warnedPercent }
        if (await store.replace(endpointId, { from, to })) break
      }
      endpoints.forget(endpointId)
    },
    async isGone(endpointId) {
      const { kind } = await change(endpointId, { kind: 'disable', reason: 'gone' })
      endpoints.forget(endpointId)
      if (kind === 'busy') throw new Error(`Endpoint ${endpointId} is gone, but is being changed by another`)
    },
  }
}

type Asked = { asked: HealthAct | null; failingSinceMs: number | null }

function changeFor(asked: HealthAct, failingSinceMs: number | null): Parameters<ChangeEndpoint>[1] {
  if (asked.kind === 'warn') {
    return { kind: 'warn', percent: asked.percent, failingSinceMs: failingSinceMs ?? 0 }
  }
  return asked.kind === 'disable' ? { kind: 'disable', reason: 'failing' } : asked
}

/** Since when it is used as it is: what it failed before does not count. */
function usedSince({ history }: Endpoint): number {
  const begin = history.findLast(({ action }) => begins.has(action))
  return begin === undefined ? 0 : Date.parse(begin.at)
}
