import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { describeFailure } from '@signalbox/runtime/start-problem'
import { type ClientDirectory, loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { z } from 'zod'
import { clientsFileOf, clientsFileOption } from '../clients-file-option.ts'
import { fingerprint } from './fingerprint.ts'
import { type ListedClient, type ListedKey, listClients } from './key-list.ts'

export const createKeysShowVerb = (env: Environment) =>
  createVerb({
    name: 'keys show',
    about: 'Shows every client and key of a clients file, and which key signs now; never anything private.',
    more: 'Exit code 1 when a key cannot be read.',
    options: z.object({ file: clientsFileOption }),
    async run(options) {
      const file = clientsFileOf(options.file, env)
      const clients = listClients(file)
      const loaded = load(file)
      const directory = 'directory' in loaded ? loaded.directory : undefined
      process.stdout.write(clients.map((client) => `${shown(client, directory)}\n`).join('\n'))
      if ('problem' in loaded) {
        process.stderr.write(
          `\nWhich keys sign is not shown, because no ingress takes this file:\n${loaded.problem}\n`,
        )
      }
      const readable = clients.every(({ keys }) => keys.every(({ publicKey }) => publicKey.kind === 'key'))
      return readable && 'directory' in loaded ? 0 : 1
    },
  })

/** The file as the ingress reads it; only that tells which keys sign. */
function load(file: string): { directory: ClientDirectory } | { problem: string } {
  try {
    return { directory: loadClientDirectory(file) }
  } catch (problem) {
    return { problem: describeFailure(problem) }
  }
}

function shown(client: ListedClient, directory: ClientDirectory | undefined): string {
  const signing = directory?.find(client.clientId)?.signingKey.version
  const rows = [
    ['side', 'version', 'state', 'bits', 'fingerprint', ''],
    ...client.keys.map((key) => [
      key.side,
      key.version,
      key.state,
      ...(key.publicKey.kind === 'key'
        ? [
            String(key.publicKey.key.asymmetricKeyDetails?.modulusLength ?? ''),
            fingerprint(key.publicKey.key),
            use(key, signing),
          ]
        : ['-', '-', `unusable: ${key.publicKey.problem}`]),
    ]),
  ]
  const dialect = client.push ? `${client.dialect} (push)` : client.dialect
  const rule = client.anyKeyVersion ? ', any active key verifies whatever version is named' : ''
  return [
    `${client.clientId}  ${dialect}${rule}`,
    ...client.paths.map((path) => `  ${path}`),
    ...aligned(rows).map((row) => `  ${row}`),
  ].join('\n')
}

function use({ side, version, state }: ListedKey, signing: string | undefined): string {
  if (side === 'own') return version === signing ? 'signs now' : ''
  return state === 'retired' ? '' : 'verifies'
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join('  ')
      .trimEnd(),
  )
}
