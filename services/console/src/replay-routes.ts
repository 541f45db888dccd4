import { AssertionError } from 'node:assert'
import { randomUUID } from 'node:crypto'
import { type ReplayPlan, ReplayTooLarge } from '@signalbox/alert-endpoints/replay'
import { alertEventTypes } from '@signalbox/contracts/endpoint-record'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { refuse, refuseForNow } from './answers.ts'
import {
  createEndpointExchange,
  type EndpointRoutePorts,
  refuseClient,
  refuseEndpoint,
} from './endpoint-exchange.ts'
import { ids, moment, readRequest, text } from './read-request.ts'

/** Each reads as much of the changes as there is. */
const mostAtOnce = 2
const mostAlerts = 100

/** What happens to endpoints is told once. */
const eventTypes = alertEventTypes.filter((type) => !type.startsWith('endpoint.'))

/** The body of `POST /v1/replays`. */
export const replayBody = z
  .strictObject({
    clientId: ids.clientId,
    endpointId: text(64)
      .exactOptional()
      .describe('Only to this endpoint; else to whoever is owed the alerts.'),
    alertIds: z
      .array(text(64), 'must be a list of alert ids')
      .min(1, 'is empty: leave it out or name alerts')
      .max(mostAlerts, `is too long: it has at most ${mostAlerts} ids`)
      .exactOptional(),
    merchant: ids.referenceMerchantId.exactOptional(),
    from: moment().exactOptional().describe('Of what happened from then on.'),
    to: moment().exactOptional().describe('Of what happened before then.'),
    eventTypes: z
      .array(z.enum(eventTypes, `must be one of ${eventTypes.join(', ')}`), 'must be a list of event types')
      .min(1, 'is empty: leave it out or name types')
      .max(eventTypes.length, 'is too long: give each type once')
      .exactOptional(),
    replayId: z
      .string('must be a text')
      .regex(/^[A-Za-z0-9_-]{8,64}$/, 'must have 8 to 64 letters, digits, - or _')
      .exactOptional()
      .describe('Names the replay: given twice, it sends nothing twice. One is made when it is not given.'),
    dryRun: z.boolean('must be true or false').default(false).describe('True only counts.'),
  })
  .meta({
    description: 'At least one of alertIds, merchant, from and eventTypes; what is given narrows the rest.',
  })

const counts = z.record(z.string(), z.int().positive())

/** The answer to a replay. */
export const replayShape = z.strictObject({
  replayId: z.string().nullable().describe('Null for a dry run.'),
  dryRun: z.boolean(),
  alerts: z.int().nonnegative().describe('How many are sent once more, or would be.'),
  endpoints: counts.describe('Of them by endpoint.'),
  eventTypes: counts.describe('Of them by type of event; an alert may tell several.'),
  unreadable: z
    .int()
    .nonnegative()
    .describe('Changes that could not be read. More than none is a reason to ask us.'),
})

/** Adds the replay: alerts are sent once more, under their own ids and marked, whether or not they were delivered. */
export function addReplayRoutes(app: FastifyInstance, ports: EndpointRoutePorts): void {
  const { log } = ports
  const { enter, answered } = createEndpointExchange(ports)
  let underWay = 0

  app.post('/v1/replays', async (request, reply) => {
    const entered = enter({ request, reply }, 'operator')
    if (entered === null) return reply
    const { bearer, endpoints } = entered
    const read = readRequest(replayBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { dryRun, replayId = randomUUID(), from, to, ...which } = read.value
    const { clientId, endpointId } = which
    if (!bearer.maySee(clientId)) return refuseClient(reply)
    const problem = problemWith(read.value)
    if (problem !== null) return refuse(reply, 'bad_request', problem)
    if (endpointId !== undefined) {
      const found = await answered(reply, () => endpoints.view.find(endpointId))
      if (found === null) return reply
      if (found.value?.clientId !== clientId) return refuseEndpoint(reply)
    }
    if (underWay >= mostAtOnce) {
      const message = 'Others are replaying. Ask again in a moment.'
      return refuseForNow(reply, { code: 'too_many', message, retryAfterS: 5 })
    }
    const choice = {
      ...which,
      ...(from === undefined ? {} : { fromMs: from }),
      ...(to === undefined ? {} : { toMs: to }),
    }
    underWay++
    const made = dryRun ? endpoints.replays.plan(choice) : endpoints.replays.run(choice, { replayId })
    const outcome = await made.catch(causeOf).finally(() => underWay--)
    const isMade = 'alerts' in outcome
    log.info(
      {
        action: 'alerts.replayed',
        token: bearer.name,
        dryRun,
        replayId,
        ...(isMade ? { outcome: 'done', alerts: outcome.alerts } : { outcome: 'failed' }),
      },
      'operator.action',
    )
    if (isMade) return reply.code(dryRun ? 200 : 202).send(replayItem(outcome, dryRun ? null : replayId))
    const { err } = outcome
    if (err instanceof ReplayTooLarge) return refuse(reply, 'refused', err.message)
    log.warn({ err }, 'replay.unconfirmed')
    const message = dryRun
      ? 'The changes cannot be read at the moment. Ask again.'
      : `The replay is not confirmed, and a part of it may be on its way. Ask again with the replayId ${replayId}: nothing is sent twice.`
    return refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 5 })
  })
}

function causeOf(err: unknown): { err: unknown } {
  if (err instanceof AssertionError) throw err
  return { err }
}

function replayItem(
  { alerts, endpoints, eventTypes: types, unreadable }: ReplayPlan,
  replayId: string | null,
): z.infer<typeof replayShape> {
  return {
    replayId,
    dryRun: replayId === null,
    alerts,
    endpoints: Object.fromEntries(endpoints),
    eventTypes: Object.fromEntries(types),
    unreadable,
  }
}

function problemWith({ alertIds, merchant, eventTypes: types, from, to }: z.output<typeof replayBody>) {
  if ([alertIds, merchant, types, from].every((given) => given === undefined)) {
    return 'Say what to replay: give at least one of alertIds, merchant, from and eventTypes.'
  }
  return from !== undefined && to !== undefined && from >= to
    ? 'The member to must be later than from.'
    : null
}
