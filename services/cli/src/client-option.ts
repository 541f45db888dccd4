import { readJsonFile } from '@signalbox/runtime/files'
import { clientsFile } from '@signalbox/contracts/clients-file'
import type { Environment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'

/** Whose merchant is meant; a clients file with one client says it too. */
export const clientOption = z.string().min(1).optional().meta({
  value: 'ID',
  description: 'Client-Id of the merchant (default: the only client of the file that CLIENTS_FILE names)',
})

/** @throws StartProblem when it is not said and there is not exactly one client */
export function clientOf(given: string | undefined, env: Environment): string {
  if (given !== undefined) return given
  const path = env['CLIENTS_FILE']
  if (path === undefined || path === '') {
    throw new StartProblem('Whose merchant is meant is not said: give --client ID, or set CLIENTS_FILE.')
  }
  const { clients } = readJsonFile(path, 'CLIENTS_FILE', clientsFile)
  const [only, ...others] = clients
  if (only !== undefined && others.length === 0) return only.clientId
  throw new StartProblem(
    `Whose merchant is meant is not said, and CLIENTS_FILE names ${clients.length} clients: give --client ID.`,
  )
}
