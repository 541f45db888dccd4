import { createSecretKey, type KeyObject } from 'node:crypto'
import { type Endpoint, secretsInForce } from '@signalbox/alert-endpoints/endpoint'
import { openHeaders } from '@signalbox/alert-endpoints/sealed-headers'
import type { Health } from '@signalbox/alert-endpoints/endpoint-health'
import { SealingTrouble, type SealingKeys } from '@signalbox/alert-endpoints/sealing'

/** An endpoint as it was within the last second, and how it fared then. */
export type KnownEndpoint = {
  endpoint: Endpoint
  /** Those in force, newest first, none for an e-mail; null when no key of ours opens them, or a header. */
  secrets: readonly KeyObject[] | null
  /** Its own, in clear. */
  headers: Readonly<Record<string, string>>
  health: Health
}

export type KnownEndpoints = {
  /** Null: nobody knows it. Rejects when Redis is away. */
  find(endpointId: string): Promise<KnownEndpoint | null>
  /** It has changed: what comes next looks anew. */
  forget(endpointId: string): void
}

const freshMs = 1_000
/** Endpoints, or secrets, that are kept at a time; then all are looked up anew. */
const mostKept = 10_000

/** Keeps endpoints for a second and their opened secrets for as long as there is room. */
export function createKnownEndpoints({
  view,
  health,
  sealing,
  now,
  onSealed,
}: {
  view: { find(endpointId: string): Promise<Endpoint | null> }
  health: { read(endpointId: string): Promise<Health> }
  sealing: Pick<SealingKeys, 'unseal'>
  now: () => number
  /** No key opens a secret. */
  onSealed: (of: { endpointId: string; problem: string }) => void
}): KnownEndpoints {
  const kept = new Map<string, { sinceMs: number; found: Promise<KnownEndpoint | null> }>()
  const opened = new Map<string, KeyObject>()

  async function look(endpointId: string): Promise<KnownEndpoint | null> {
    const [endpoint, fares] = await Promise.all([view.find(endpointId), health.read(endpointId)])
    return endpoint === null ? null : { endpoint, ...openedOf(endpoint), health: fares }
  }

  function openedOf(endpoint: Endpoint): Pick<KnownEndpoint, 'secrets' | 'headers'> {
    const { endpointId } = endpoint
    try {
      return {
        secrets: secretsInForce(endpoint, now()).map((sealed) => open(sealed, endpointId)),
        headers: openHeaders(endpoint, (sealed) => sealing.unseal(sealed, { endpointId })),
      }
    } catch (error) {
      if (!(error instanceof SealingTrouble)) throw error
      onSealed({ endpointId, problem: error.message })
      return { secrets: null, headers: {} }
    }
  }

  function open(sealed: string, endpointId: string): KeyObject {
    const known = opened.get(sealed)
    if (known !== undefined) return known
    const secret = createSecretKey(sealing.unseal(sealed, { endpointId }))
    if (opened.size >= mostKept) opened.clear()
    opened.set(sealed, secret)
    return secret
  }

  return {
    find(endpointId) {
      const known = kept.get(endpointId)
      if (known !== undefined && Math.abs(now() - known.sinceMs) < freshMs) return known.found
      if (kept.size >= mostKept) kept.clear()
      const found = look(endpointId)
      kept.set(endpointId, { sinceMs: now(), found })
      found.catch(() => kept.delete(endpointId))
      return found
    },
    forget: (endpointId) => void kept.delete(endpointId),
  }
}
