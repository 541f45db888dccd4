import type { RegistrationCommand } from '@signalbox/contracts/command-record'
import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { admit } from './access.ts'
import { refuse, refuseForNow } from './answers.ts'
import type { AppendCommands } from './append-command.ts'
import type { Bearer, FindBearer } from './bearers.ts'
import { ids, moment, readRequest, text } from './read-request.ts'

/** As far ahead of its arrival the processor takes a time for a mistake; clocks differ by less than this. */
const mostAheadMs = 3_600_000
/** Nobody registered anything before; an earlier time is a mistake, and would make the round the oldest for ever. */
const earliestMs = Date.UTC(2000, 0, 1)

/** What to do when nobody knows whether the command is there. */
const whenUnconfirmed = {
  'registration.opened': 'Give it again: given twice, it counts once.',
  'registration.erased':
    'It may be there all the same. Ask for the registration: when it shows no erasedAt after some seconds, give it ' +
    'again. Given twice, it erases what was heard in between as well, and makes one more version.',
} as const

/** The body of `POST /v1/registrations/opened`. */
const openedBody = z.strictObject({
  clientId: ids.clientId,
  referenceMerchantId: ids.referenceMerchantId,
  referenceStoreId: ids.referenceStoreId.optional(),
  registrationRequestId: ids.registrationRequestId,
  openedAt: moment().optional(),
  productCodes: z
    .array(text(64), 'must be a list of texts')
    .max(16, 'is too long: it has at most 16 codes')
    .default([]),
})

/** The body of `POST /v1/registrations/erased`. */
const erasedBody = z.strictObject({
  clientId: ids.clientId,
  referenceMerchantId: ids.referenceMerchantId,
  referenceStoreId: ids.referenceStoreId.optional(),
})

/** Adds the commands, which go into the raw topic and take effect when the processor gets to them. */
export function addCommandRoutes(
  app: FastifyInstance,
  ports: { appendCommands: AppendCommands; findBearer: FindBearer; log: Logger; now: () => number },
): void {
  app.post('/v1/registrations/opened', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'operator' })
    if (bearer === null) return reply
    const read = readRequest(openedBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { clientId, openedAt = ports.now(), ...opened } = read.value
    if (openedAt > ports.now() + mostAheadMs) {
      return refuse(reply, 'bad_request', 'The member openedAt must not be in the future.')
    }
    if (!(openedAt >= earliestMs)) {
      const message =
        'The member openedAt must be the time of the registration, 2000 or later: correct it, or leave it out for now.'
      return refuse(reply, 'bad_request', message)
    }
    return append(reply, bearer, clientId, {
      command: 'registration.opened',
      ...present(opened),
      registrationRequestId: opened.registrationRequestId,
      openedAt: new Date(openedAt).toISOString(),
      productCodes: opened.productCodes,
    })
  })

  app.post('/v1/registrations/erased', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'admin' })
    if (bearer === null) return reply
    const read = readRequest(erasedBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { clientId, ...erased } = read.value
    return append(reply, bearer, clientId, { command: 'registration.erased', ...present(erased) })
  })

  async function append(
    reply: FastifyReply,
    bearer: Bearer,
    clientId: string,
    command: Extract<RegistrationCommand, { command: keyof typeof whenUnconfirmed }>,
  ): Promise<FastifyReply> {
    if (!bearer.maySee(clientId)) return refuse(reply, 'not_found', 'No such client is known.')
    const appended = await ports
      .appendCommands([{ clientId, command, issuedBy: bearer.name }])
      .catch((err: unknown) => {
        ports.log.warn({ err }, 'command.unconfirmed')
        return null
      })
    const action = { action: command.command, token: bearer.name }
    if (appended === null) {
      ports.log.info({ ...action, outcome: 'unconfirmed' }, 'operator.action')
      const message = `Kafka has not confirmed the command. ${whenUnconfirmed[command.command]}`
      return refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 2 })
    }
    const [notificationId] = appended
    ports.log.info({ ...action, outcome: 'appended', notificationId }, 'operator.action')
    return reply.code(202).send({ notificationId })
  }
}

/** A registration without store has no such member in a command. */
function present(of: { referenceMerchantId: string; referenceStoreId?: string | undefined }) {
  const { referenceMerchantId, referenceStoreId } = of
  return { referenceMerchantId, ...(referenceStoreId === undefined ? {} : { referenceStoreId }) }
}
