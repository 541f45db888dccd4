import { dirname, resolve } from 'node:path'
import { type EndpointsFile, endpointsFile } from '@signalbox/contracts/endpoints-file'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { insecurityOf } from './endpoint-url.ts'

export type Endpoint = { id: string; url: string; secret: Uint8Array }

/** Who is told about changes; it never changes. */
export type EndpointDirectory = {
  /** The endpoints that hear of a merchant, those of the whole client included. */
  of(merchant: Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>): readonly Endpoint[]
  find(endpointId: string): Endpoint | undefined
  endpointCount: number
}

const everyMerchant = '*'
const prefix = 'whsec_'
const minSecretBytes = 24
const maxSecretBytes = 64

/**
 * Reads the endpoints file and the secrets that it names; secret files are relative to its folder.
 *
 * @param allowInsecure lets endpoints be plain HTTP or in a private network
 * @throws StartProblem naming the file, the endpoint, its trouble and the remedy
 */
export function loadEndpointDirectory(
  file: string,
  { allowInsecure }: { allowInsecure: boolean },
): EndpointDirectory {
  const { endpoints } = readJsonFile(file, 'ENDPOINTS_FILE', endpointsFile)
  const byId = new Map<string, Endpoint>()
  const byMerchant = new Map<string, Endpoint[]>()
  for (const entry of endpoints) {
    if (byId.has(entry.id)) throw problem(file, entry, 'stands twice', 'Give one of them another id.')
    checkUrl(file, entry, { allowInsecure })
    const endpoint = { id: entry.id, url: entry.url, secret: readSecret(file, entry) }
    byId.set(endpoint.id, endpoint)
    const merchant = merchantOf(entry.clientId, entry.merchant)
    byMerchant.set(merchant, [...(byMerchant.get(merchant) ?? []), endpoint])
  }
  return {
    of: ({ clientId, referenceMerchantId }) => [
      ...(byMerchant.get(merchantOf(clientId, referenceMerchantId)) ?? []),
      ...(byMerchant.get(merchantOf(clientId, everyMerchant)) ?? []),
    ],
    find: (endpointId) => byId.get(endpointId),
    endpointCount: byId.size,
  }
}

type Entry = EndpointsFile['endpoints'][number]

const merchantOf = (clientId: string, merchant: string) => JSON.stringify([clientId, merchant])

function checkUrl(file: string, entry: Entry, { allowInsecure }: { allowInsecure: boolean }): void {
  const url = new URL(entry.url)
  if (url.username !== '' || url.password !== '') {
    throw problem(file, entry, 'has a login in its url', 'Take it out: the signature tells who sends.')
  }
  const insecurity = insecurityOf(url)
  if (insecurity === null || allowInsecure) return
  throw problem(
    file,
    entry,
    `has a url that must not be used: ${insecurity}`,
    'Use a public https address, or set ALERT_ALLOW_INSECURE_ENDPOINTS=true where nothing but tests runs.',
  )
}

function readSecret(file: string, entry: Entry): Uint8Array {
  const path = resolve(dirname(file), entry.secretFile)
  const text = readNamedFile(path, `ENDPOINTS_FILE endpoint ${entry.id}`).trim()
  const encoded = text.startsWith(prefix) ? text.slice(prefix.length) : ''
  const secret = Buffer.from(encoded, 'base64')
  // Decoding skips what is not base64, so only a text that comes back the same was base64.
  const isWhole = secret.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')
  if (encoded !== '' && isWhole && secret.length >= minSecretBytes && secret.length <= maxSecretBytes) {
    return secret
  }
  throw problem(
    file,
    entry,
    `has no Standard Webhooks secret in ${path}`,
    `It must read ${prefix} and then the base64 of ${minSecretBytes} to ${maxSecretBytes} random bytes: ` +
      `echo "${prefix}$(openssl rand -base64 32)".`,
  )
}

function problem(file: string, entry: Entry, trouble: string, remedy: string): StartProblem {
  return new StartProblem(`ENDPOINTS_FILE ${file}: endpoint ${entry.id} ${trouble}. ${remedy}`)
}
