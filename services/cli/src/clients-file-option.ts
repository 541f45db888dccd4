import type { Environment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'

/** Which clients file; verbs that need one fall back to the variable that the services read. */
export const clientsFileOption = z.string().min(1).optional().meta({
  value: 'FILE',
  description: 'clients file (default: the one that the variable CLIENTS_FILE names)',
})

/** @throws StartProblem when neither names one */
export function clientsFileOf(file: string | undefined, env: Environment): string {
  const path = file ?? env['CLIENTS_FILE']
  if (path !== undefined && path !== '') return path
  throw new StartProblem(
    'Which clients file is meant is not said: give --file clients.json, or set CLIENTS_FILE.',
  )
}
