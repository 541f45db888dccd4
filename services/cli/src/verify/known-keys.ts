import type { KeyObject } from 'node:crypto'
import { parsePublicKey } from '@signalbox/alipay/keys'
import { readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { keyName, type ListedClient, type ListedKey, listClients } from '../keys/key-list.ts'

/** A key that may have made a signature; id, version and state are null for a lone key of which nothing is told. */
export type KnownKey = {
  side: ListedKey['side']
  clientId: string | null
  version: string | null
  state: ListedKey['state'] | null
  key: KeyObject
}

/** All that is known offline: unlike an ingress, retired keys too, because old records were signed with them. */
export type KnownKeys = {
  keys: readonly KnownKey[]
  /** By id; null when only a key is known, so that any client and any version may be meant. */
  clients: ReadonlyMap<string, ListedClient> | null
  /** Keys of Alipay's that cannot be used, in words. */
  problems: readonly string[]
}

/** @throws StartProblem when the clients file cannot be read; keys that are unusable are told in `problems` */
export function knownKeysOfFile(file: string): KnownKeys {
  const clients = listClients(file)
  const listed = clients.flatMap(({ keys }) => keys)
  return {
    keys: listed.flatMap(({ side, clientId, version, state, publicKey }) =>
      publicKey.kind === 'key' ? [{ side, clientId, version, state, key: publicKey.key }] : [],
    ),
    clients: new Map(clients.map((client) => [client.clientId, client])),
    // Our own keys only help to explain, and are not at hand everywhere.
    problems: listed.flatMap((key) =>
      key.publicKey.kind === 'refused' && key.side === 'alipay'
        ? [`client ${key.clientId}, ${keyName(key)} cannot be used: ${key.publicKey.problem}`]
        : [],
    ),
  }
}

/** @throws StartProblem when the file holds no public key */
export function loneKey(file: string): KnownKeys {
  const parsed = parsePublicKey(readNamedFile(file, '--public-key'))
  if (parsed.kind === 'refused') {
    throw new StartProblem(
      `--public-key ${file} cannot be used: ${parsed.problem}. Put Alipay's public key there: base64 on one line, or PEM.`,
    )
  }
  return {
    keys: [{ side: 'alipay', clientId: null, version: null, state: null, key: parsed.key }],
    clients: null,
    problems: [],
  }
}
