import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { z } from 'zod'
import { clientsFileOf, clientsFileOption } from '../clients-file-option.ts'
import { type Finding, findings } from './findings.ts'
import { listClients } from './key-list.ts'

export const createKeysCheckVerb = (env: Environment) =>
  createVerb({
    name: 'keys check',
    about: 'Checks a clients file as an ingress that starts, and tells faults that no start can see.',
    more: 'Exit code 0 when nothing is wrong (notes do not count), 1 when there are problems.',
    options: z.object({ file: clientsFileOption }),
    async run(options) {
      const file = clientsFileOf(options.file, env)
      const clients = listClients(file)
      const refusal = refusalOf(file)
      const found = findings(clients)
      const problems = found.filter(({ kind }) => kind === 'problem')
      const notes = found.filter(({ kind }) => kind === 'note')
      const keyCount = clients.reduce((sum, { keys }) => sum + keys.length, 0)
      process.stdout.write(
        [
          ...(refusal === null ? [] : [`problem  no ingress starts with this file: ${refusal}`]),
          ...[...problems, ...notes].map(shown),
          `${file}: ${counted(clients.length, 'client')}, ${counted(keyCount, 'key')}, ` +
            `${counted(problems.length + (refusal === null ? 0 : 1), 'problem')}, ${counted(notes.length, 'note')}.`,
          '',
        ].join('\n'),
      )
      return refusal === null && problems.length === 0 ? 0 : 1
    },
  })

function refusalOf(file: string): string | null {
  try {
    loadClientDirectory(file)
    return null
  } catch (problem) {
    if (problem instanceof StartProblem) return problem.message
    throw problem
  }
}

function shown({ kind, where, what, remedy }: Finding): string {
  return `${kind.padEnd(7)}  ${where}: ${what}.\n         ${remedy}`
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}
