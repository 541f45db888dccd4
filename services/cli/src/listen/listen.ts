import { createAlertReceiver, type ReceiverOptions } from '@signalbox/webhook-receiver/receive-alert'
import { readPublicKeys, readSecret } from '@signalbox/webhook-receiver/verify-signature'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { readJsonFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { linesOf } from './lines.ts'
import { openAlertServer } from './open-alert-server.ts'

const wellKnown = '/.well-known/signalbox-webhook-keys'

const options = z.object({
  secret: z.string().min(1).optional().meta({
    value: 'whsec_…',
    description:
      'secret of the endpoint; while one is replaced, both with a comma (default: the variable WEBHOOK_SECRETS)',
  }),
  keys: z
    .string()
    .min(1)
    .optional()
    .meta({
      value: 'FILE',
      description: `instead of the secret: what ${wellKnown} of the console answers`,
    }),
  endpoint: z.string().min(1).optional().meta({
    value: 'ID',
    description: 'with --keys: id of the endpoint, because these keys sign for every endpoint',
  }),
  port: z
    .string()
    .regex(/^\d{1,5}$/, 'a port is a number')
    .default('8787')
    .meta({ value: 'N', description: 'port of 127.0.0.1 to listen on; 0 takes a free one' }),
  json: z.boolean().default(false).meta({ description: 'one line of JSON per request, for programs' }),
})

type Options = z.output<typeof options>

const keySet = z.object({
  keys: z.array(
    z.object({ kty: z.string().optional(), crv: z.string().optional(), x: z.string().optional() }),
  ),
})

export const createListenVerb = (env: Environment) =>
  createVerb({
    name: 'listen',
    about: 'Plays an endpoint: prints the alerts that arrive and verify, and says why others are refused.',
    more: [
      'Answers challenges, so that an endpoint with this address can be verified. Nothing is kept: after a new start',
      'everything is new. It is for trying out, and listens for this machine only.',
      'Ends with Ctrl-C and exit code 0.',
    ].join('\n'),
    options,
    async run(given) {
      const receiver = createAlertReceiver(keysOf(given, env))
      const stop = stopSignal({ service: 'signalbox listen', deadlineMs: 5_000 })
      await using server = await openAlertServer(Number(given.port), async (request) => {
        const { status, text, outcome } = await receiver.handle(request, () => undefined)
        const at = new Date().toISOString()
        const id = String(request.headers['webhook-id'] ?? '')
        if (given.json) printLine(JSON.stringify({ at, id, ...outcome, status }))
        else for (const line of linesOf(outcome, { at, id, status })) printLine(line)
        return { status, text }
      })
      const listening = `Listening on ${server.url} for alerts of Signalbox. Ctrl-C ends it.`
      if (given.json) process.stderr.write(`${listening}\n`)
      else printLine(listening)
      await untilStopped(stop)
      return 0
    },
  })

/** @throws StartProblem when nothing could be verified with what is given */
function keysOf({ secret, keys, endpoint }: Options, env: Environment): ReceiverOptions {
  const texts = secret ?? (keys === undefined ? env['WEBHOOK_SECRETS'] : undefined)
  if ((texts === undefined || texts === '') && keys === undefined) {
    throw new StartProblem(
      'What alerts are signed with is not said: give --secret whsec_…, which the console shows when the endpoint is ' +
        `created, or --keys FILE with what ${wellKnown} of the console answers.`,
    )
  }
  if ((keys === undefined) !== (endpoint === undefined)) {
    throw new StartProblem('--keys and --endpoint belong together: these keys sign for every endpoint.')
  }
  const secrets = texts === undefined || texts === '' ? [] : texts.split(',').map((text) => text.trim())
  for (const text of secrets) {
    const read = readSecret(text)
    if (read.kind === 'refused') throw new StartProblem(`--secret cannot be used: ${read.problem}.`)
  }
  if (keys === undefined || endpoint === undefined) return { secrets }
  const publicKeys = readJsonFile(keys, '--keys', keySet)
  const read = readPublicKeys(publicKeys)
  if (read.kind === 'refused') throw new StartProblem(`--keys ${keys} cannot be used: ${read.problem}.`)
  return { secrets, published: { publicKeys, endpointId: endpoint } }
}
