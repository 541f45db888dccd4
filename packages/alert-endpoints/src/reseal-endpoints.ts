import type { EndpointWriter } from './change-endpoint.ts'
import { changeEndpoint, type Endpoint, type NewSecret } from './endpoint.ts'
import { type EndpointView, everyEndpoint } from './endpoint-view.ts'
import { sealedHeadersOf } from './sealed-headers.ts'
import type { SealingKeys } from './sealing.ts'

/**
 * Seals every secret, and every value of a header, with the key that seals now; then no retiring key is needed any
 * more. Safe to run again, and in several processes.
 *
 * @returns the ids of the endpoints that were changed, and of those that somebody else was changing: run again for these
 * @throws SealingTrouble; when Kafka or Redis does not answer
 */
export async function resealEndpoints({
  writer,
  view,
  keys,
  by,
}: {
  writer: EndpointWriter
  view: Pick<EndpointView, 'list'>
  keys: SealingKeys
  /** Who has it done, for the audit trail. */
  by: string
}): Promise<{ resealed: readonly string[]; busy: readonly string[] }> {
  const resealed: string[] = []
  const busy: string[] = []
  for await (const endpoint of everyEndpoint(view)) {
    const { endpointId, secrets } = endpoint
    const sealedTexts = [...secrets.map(({ sealed }) => sealed), ...Object.values(sealedHeadersOf(endpoint))]
    if (sealedTexts.every((sealed) => keys.isCurrent(sealed))) continue
    const result = await writer.change(endpointId, (known, nowMs) =>
      changeEndpoint(
        known,
        { kind: 'reseal', secrets: sealedAnew(known, keys), headers: headersSealedAnew(known, keys) },
        { nowMs, by },
      ),
    )
    if (result.kind === 'changed') resealed.push(endpointId)
    if (result.kind === 'busy') busy.push(endpointId)
  }
  return { resealed, busy }
}

function sealedAnew(known: Endpoint | null, keys: SealingKeys): NewSecret[] {
  if (known === null) return []
  return known.secrets
    .filter(({ sealed }) => !keys.isCurrent(sealed))
    .map(({ secretId, sealed }) => ({ secretId, sealed: anew(sealed, known, keys) }))
}

function headersSealedAnew(known: Endpoint | null, keys: SealingKeys): Record<string, string> {
  if (known === null) return {}
  return Object.fromEntries(
    Object.entries(sealedHeadersOf(known))
      .filter(([, sealed]) => !keys.isCurrent(sealed))
      .map(([name, sealed]) => [name, anew(sealed, known, keys)]),
  )
}

function anew(sealed: string, { endpointId }: Endpoint, keys: SealingKeys): string {
  return keys.seal(keys.unseal(sealed, { endpointId }), { endpointId })
}
