import type { Endpoint } from './endpoint.ts'
import { type SealingKeys, SealingTrouble } from './sealing.ts'

type Headers = Readonly<Record<string, string>>

/**
 * An endpoint's own headers as its record holds them. A value that `known` has already keeps its seal, so that giving
 * it again changes nothing.
 */
export function sealHeaders(
  headers: Headers,
  {
    endpointId,
    known,
    keys,
  }: { endpointId: string; known: Endpoint | null; keys: Pick<SealingKeys, 'seal' | 'unseal'> },
): Record<string, string> {
  const before = sealedHeadersOf(known)
  return mapHeaders(headers, (value, name) => {
    const sealed = Object.hasOwn(before, name) ? before[name] : undefined
    return sealed !== undefined && opened(sealed, { endpointId, keys }) === value
      ? sealed
      : keys.seal(Buffer.from(value), { endpointId })
  })
}

/** Null: no key of ours opens it. */
function opened(
  sealed: string,
  { endpointId, keys }: { endpointId: string; keys: Pick<SealingKeys, 'unseal'> },
): string | null {
  try {
    return Buffer.from(keys.unseal(sealed, { endpointId })).toString()
  } catch (error) {
    if (error instanceof SealingTrouble) return null
    throw error
  }
}

/** An endpoint's own headers as they are sent. @throws SealingTrouble */
export function openHeaders(
  endpoint: Endpoint,
  unseal: (sealed: string) => Uint8Array,
): Record<string, string> {
  return mapHeaders(sealedHeadersOf(endpoint), (sealed) => Buffer.from(unseal(sealed)).toString())
}

/** Sealed values by name; none for what is no webhook. */
export function sealedHeadersOf(endpoint: Pick<Endpoint, 'target'> | null): Headers {
  return endpoint?.target?.type === 'webhook' ? endpoint.target.headers : {}
}

function mapHeaders(headers: Headers, map: (value: string, name: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, map(value, name)]))
}
