import { createHash, timingSafeEqual } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { type EndpointsFile, endpointsFile } from '@signalbox/contracts/endpoints-file'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { type ChangeResult, type EndpointWriter, leaseMs } from './change-endpoint.ts'
import {
  changeEndpoint,
  type Decision,
  type Endpoint,
  type EndpointSettings,
  headersProblem,
  type Refusal,
  standardSettings,
} from './endpoint.ts'
import { type EndpointView, everyEndpoint } from './endpoint-view.ts'
import type { EndpointFollower } from './follow-endpoints.ts'
import { sealHeaders } from './sealed-headers.ts'
import type { SealingKeys } from './sealing.ts'

/** An endpoint as the endpoints file has it. */
export type DeclaredEndpoint = Pick<Endpoint, 'endpointId' | 'clientId' | 'merchant'> & {
  /** The values of headers are in clear. */
  settings: EndpointSettings
  /** In clear; null for e-mail. */
  secret: Uint8Array | null
  /** ISO 8601. */
  activeFrom: string
}

/** What came of a declaration, by endpoint id. */
export type Declared = {
  changed: readonly string[]
  unchanged: readonly string[]
  /** Endpoints of an earlier file that this one no longer has. They stay as they are until somebody deletes them. */
  noLongerDeclared: readonly string[]
}

const variable = 'ENDPOINTS_FILE'
const prefix = 'whsec_'
const minSecretBytes = 24
const maxSecretBytes = 64
const always = new Date(0).toISOString()
/** Each waits mostly for Kafka; what is under way at a time shares the waits. */
const mostAtOnce = 32
/** Longer than the lease of a process that was killed while it changed an endpoint. */
const longestBusyMs = leaseMs + 2_000

/**
 * Reads the endpoints file and the secrets that it names; secret files are relative to its folder.
 *
 * @param urlProblem what is wrong with a url, in words; null when it may be used
 * @throws StartProblem naming the file, the endpoint, its trouble and the remedy
 */
export function readDeclaredEndpoints(
  file: string,
  { urlProblem }: { urlProblem: (url: string) => string | null },
): readonly DeclaredEndpoint[] {
  const { endpoints, emails = [] } = readJsonFile(file, variable, endpointsFile)
  const ids = new Set<string>()
  for (const { id } of [...endpoints, ...emails]) {
    if (ids.has(id)) throw problem(file, id, 'stands twice', 'Give one of them another id.')
    ids.add(id)
  }
  return [
    ...endpoints.map((entry) => {
      checkUrl(file, entry, urlProblem)
      const { url, headers = {} } = entry
      const wrong = headersProblem(headers)
      if (wrong !== null) {
        throw problem(file, entry.id, `has headers that cannot be sent: ${wrong}`, 'Take it out.')
      }
      return declared(entry, { target: { type: 'webhook', url, headers }, secret: readSecret(file, entry) })
    }),
    ...emails.map((entry) =>
      declared(entry, { target: { type: 'email', address: entry.address }, secret: null }),
    ),
  ]
}

type WebhookEntry = EndpointsFile['endpoints'][number]
type EmailEntry = NonNullable<EndpointsFile['emails']>[number]

function declared(
  entry: WebhookEntry | EmailEntry,
  { target, secret }: { target: EndpointSettings['target']; secret: Uint8Array | null },
): DeclaredEndpoint {
  const { id, clientId, merchant, filters, limits } = entry
  return {
    endpointId: id,
    clientId,
    merchant,
    settings: {
      target,
      audience: entry.audience ?? standardSettings.audience,
      filters: {
        eventTypes: filters?.eventTypes ?? null,
        pspNames: filters?.pspNames ?? null,
        productCodes: filters?.productCodes ?? null,
      },
      limits: {
        ratePerSecond: limits?.ratePerSecond ?? null,
        concurrency: limits?.concurrency ?? null,
      },
      skipsSuperseded: entry.skipsSuperseded ?? standardSettings.skipsSuperseded,
      keepsResponses: entry.keepsResponses ?? standardSettings.keepsResponses,
    },
    secret,
    activeFrom: entry.activeFrom === undefined ? always : new Date(entry.activeFrom).toISOString(),
  }
}

function checkUrl(file: string, { id, url }: WebhookEntry, urlProblem: (url: string) => string | null): void {
  const { username, password } = new URL(url)
  if (username !== '' || password !== '') {
    throw problem(file, id, 'has a login in its url', 'Take it out: the signature tells who sends.')
  }
  const wrong = urlProblem(url)
  if (wrong === null) return
  throw problem(
    file,
    id,
    `has a url that must not be used: ${wrong}`,
    'Use a public https address, allow its network or port with ALERT_ALLOWED_NETWORKS or ALERT_ALLOWED_PORTS, ' +
      'or set ALERT_ALLOW_INSECURE_ENDPOINTS=true where nothing but tests runs.',
  )
}

function readSecret(file: string, { id, secretFile }: WebhookEntry): Uint8Array {
  const path = resolve(dirname(file), secretFile)
  const text = readNamedFile(path, `${variable} endpoint ${id}`).trim()
  const encoded = text.startsWith(prefix) ? text.slice(prefix.length) : ''
  const secret = Buffer.from(encoded, 'base64')
  // Decoding skips what is not base64, so only a text that comes back the same was base64.
  const isWhole = secret.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '')
  if (encoded !== '' && isWhole && secret.length >= minSecretBytes && secret.length <= maxSecretBytes) {
    return secret
  }
  throw problem(
    file,
    id,
    `has no Standard Webhooks secret in ${path}`,
    `It must read ${prefix} and then the base64 of ${minSecretBytes} to ${maxSecretBytes} random bytes: ` +
      `echo "${prefix}$(openssl rand -base64 32)".`,
  )
}

function problem(file: string, id: string, trouble: string, remedy: string): StartProblem {
  return new StartProblem(`${variable} ${file}: endpoint ${id} ${trouble}. ${remedy}`)
}

/**
 * Makes each of them a verified endpoint, and changes nothing of those that are as the file says. One that was disabled
 * stays so, unless its definition changed and it was not a person who disabled it. Several processes may declare at once.
 * When one fails, those that are under way come to their end before this throws, and no other one begins.
 *
 * @throws StartProblem when an endpoint cannot be what the file says; SealingTrouble; when Kafka or Redis does not answer
 */
export async function declareEndpoints(
  endpoints: readonly DeclaredEndpoint[],
  {
    writer,
    view,
    follower,
    keys,
  }: {
    writer: EndpointWriter
    view: Pick<EndpointView, 'list'>
    follower: Pick<EndpointFollower, 'caughtUpAll'>
    keys: SealingKeys
  },
): Promise<Declared> {
  const changed: string[] = []
  const unchanged: string[] = []
  const results = await mapSome(endpoints, async (endpoint) => {
    const { endpointId } = endpoint
    const giveUpAt = performance.now() + longestBusyMs
    for (;;) {
      const result = await writer.change(endpointId, (known, nowMs) =>
        declare(endpoint, { known, keys, nowMs }),
      )
      if (result.kind === 'busy' && performance.now() < giveUpAt) continue
      return { endpointId, kind: doneOf(endpointId, result) }
    }
  })
  for (const { endpointId, kind } of results) {
    switch (kind) {
      case 'changed':
        changed.push(endpointId)
        break
      case 'unchanged':
        unchanged.push(endpointId)
    }
  }
  await follower.caughtUpAll()
  const ids = new Set(endpoints.map(({ endpointId }) => endpointId))
  const noLongerDeclared: string[] = []
  for await (const { endpointId, history } of everyEndpoint(view)) {
    const wasDeclared = history.some(({ action, by }) => action === 'declared' && by === variable)
    if (wasDeclared && !ids.has(endpointId)) noLongerDeclared.push(endpointId)
  }
  return { changed, unchanged, noLongerDeclared }
}

function doneOf(endpointId: string, result: ChangeResult): 'changed' | 'unchanged' {
  if (result.kind === 'refused') {
    throw new StartProblem(`${variable}: endpoint ${endpointId} ${wordsOf(result)}`)
  }
  if (result.kind === 'busy') {
    throw new Error(`Endpoint ${endpointId} is being changed by somebody else all the while`)
  }
  return result.kind
}

/** Maps with a bound on what is under way; the order is kept. */
async function mapSome<T, R>(items: readonly T[], map: (item: T) => Promise<R>): Promise<R[]> {
  const left = items.entries()
  const done = new Map<number, R>()
  const failures: { error: unknown }[] = []
  const workers = Array.from({ length: Math.min(mostAtOnce, items.length) }, async () => {
    for (const [index, item] of left) {
      if (failures.length > 0) return
      try {
        done.set(index, await map(item))
      } catch (error) {
        failures.push({ error })
      }
    }
  })
  await Promise.all(workers)
  const [first] = failures
  if (first !== undefined) throw first.error
  return [...done].toSorted(([a], [b]) => a - b).map(([, result]) => result)
}

function declare(
  { endpointId, clientId, merchant, settings, secret, activeFrom }: DeclaredEndpoint,
  { known, keys, nowMs }: { known: Endpoint | null; keys: SealingKeys; nowMs: number },
): Decision {
  const { target } = settings
  const isKnown = secret !== null && known !== null && hasSecret(known, secret, keys)
  const change = {
    kind: 'declare',
    endpointId,
    clientId,
    merchant,
    settings: {
      ...settings,
      target:
        target.type === 'webhook'
          ? { ...target, headers: sealHeaders(target.headers, { endpointId, known, keys }) }
          : target,
    },
    secret:
      secret === null || isKnown
        ? null
        : { secretId: fingerprint(secret), sealed: keys.seal(secret, { endpointId }) },
    activeFrom,
  } as const
  return changeEndpoint(known, change, { nowMs, by: variable })
}

/** Whether the newest secret is this one. */
function hasSecret({ endpointId, secrets }: Endpoint, secret: Uint8Array, keys: SealingKeys): boolean {
  const [newest] = secrets
  if (newest === undefined) return false
  const found = keys.unseal(newest.sealed, { endpointId })
  return found.length === secret.length && timingSafeEqual(found, secret)
}

/** Tells people which secret it is, and nothing about it. */
function fingerprint(secret: Uint8Array): string {
  return createHash('sha256').update(secret).digest('hex').slice(0, 12)
}

function wordsOf({ problem: found, until }: Refusal): string {
  if (found === 'id_taken') {
    return 'belongs, or belonged, to another merchant or client. Give it another id: alerts name it.'
  }
  if (found === 'too_many_secrets') {
    return `has three secrets that still sign, so a new one has no place until ${until}. Put the one before back into its file until then.`
  }
  return `cannot be declared (${found}).`
}
