import type { ClientDirectory } from './client-directory.ts'
import type { ClientEntry } from './client-files.ts'

/** One version of the clients file: its entries, and what was made of them. */
export type ClientsVersion = { clients: readonly ClientEntry[]; directory: ClientDirectory }

/** What a new version of the clients file changes, for a person. */
export type ClientChanges = {
  added: string[]
  removed: string[]
  /** Of clients in both versions, such as `alipayKeys 1: active -> retiring`. */
  changed: { clientId: string; changes: string[] }[]
  /** What is refused from now on and was not before. */
  cutOff: {
    clients: string[]
    paths: { clientId: string; path: string }[]
    /** Clients without any key left that may verify. */
    withoutKey: string[]
  }
}

/** Compares two versions of the clients file. */
export function changesBetween(before: ClientsVersion, after: ClientsVersion): ClientChanges {
  const earlier = new Map(before.clients.map((client) => [client.clientId, client]))
  const remaining = after.clients.flatMap((now) => {
    const was = earlier.get(now.clientId)
    return was === undefined ? [] : [{ clientId: now.clientId, was, now }]
  })
  const removed = [...earlier.keys()].filter((clientId) => after.directory.find(clientId) === undefined)
  return {
    added: after.clients.flatMap(({ clientId }) => (earlier.has(clientId) ? [] : [clientId])),
    removed,
    changed: remaining.flatMap(({ clientId, was, now }) => {
      const changes = [...entryChanges(was, now), ...signingKeyChanges(clientId, before, after)]
      return changes.length === 0 ? [] : [{ clientId, changes }]
    }),
    cutOff: {
      clients: removed,
      paths: remaining.flatMap(({ clientId, was, now }) =>
        missing(was.paths, now.paths).map((path) => ({ clientId, path })),
      ),
      withoutKey: remaining.flatMap(({ clientId }) =>
        before.directory.find(clientId)?.verifyingKeys.length !== 0 &&
        after.directory.find(clientId)?.verifyingKeys.length === 0
          ? [clientId]
          : [],
      ),
    },
  }
}

function entryChanges(was: ClientEntry, now: ClientEntry): string[] {
  const settings = (['dialect', 'push', 'anyKeyVersion', 'inquiryUrl'] as const).flatMap((name) =>
    was[name] === now[name] ? [] : [`${name}: ${was[name]} -> ${now[name]}`],
  )
  return [
    ...settings,
    ...missing(now.paths, was.paths).map((path) => `path ${path}: added`),
    ...missing(was.paths, now.paths).map((path) => `path ${path}: removed`),
    ...keyChanges('alipayKeys', was.alipayKeys, now.alipayKeys, ({ publicKey }) => publicKey.trim()),
    ...keyChanges('ownKeys', was.ownKeys, now.ownKeys, ({ privateKeyFile }) => privateKeyFile),
  ]
}

function keyChanges<K extends { version: string; state: string }>(
  list: string,
  was: readonly K[],
  now: readonly K[],
  contentOf: (key: K) => string,
): string[] {
  const earlier = new Map(was.map((key) => [key.version, key]))
  const later = new Set(now.map(({ version }) => version))
  return [
    ...now.flatMap((key) => {
      const old = earlier.get(key.version)
      if (old === undefined) return [`${list} ${key.version}: added ${key.state}`]
      return [
        ...(old.state === key.state ? [] : [`${list} ${key.version}: ${old.state} -> ${key.state}`]),
        ...(contentOf(old) === contentOf(key) ? [] : [`${list} ${key.version}: replaced`]),
      ]
    }),
    ...was.flatMap(({ version }) => (later.has(version) ? [] : [`${list} ${version}: removed`])),
  ]
}

/** A file may hold another key than before under the same name. */
function signingKeyChanges(clientId: string, before: ClientsVersion, after: ClientsVersion): string[] {
  const was = before.directory.find(clientId)?.signingKey
  const now = after.directory.find(clientId)?.signingKey
  if (was === undefined || now === undefined) return []
  if (was.version !== now.version) return [`answers signed with ownKeys ${was.version} -> ${now.version}`]
  return was.key.equals(now.key) ? [] : [`ownKeys ${now.version}: another key in its file`]
}

function missing(from: readonly string[], inThese: readonly string[]): string[] {
  return from.filter((item) => !inThese.includes(item))
}
