import { findQuarantined, isCursor, listQuarantine, type Selection } from '@signalbox/quarantine/quarantine'
import { parsePosition } from '@signalbox/quarantine/quarantined-record'
import { reasons } from '@signalbox/quarantine/reasons'
import {
  redrive,
  type RedriveReport,
  type RedrivePorts,
  type RedriveRequest,
} from '@signalbox/quarantine/redrive'
import { obstacles } from '@signalbox/quarantine/redrive-record'
import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { admit } from './access.ts'
import { refuse, refuseForNow } from './answers.ts'
import type { Bearer, FindBearer } from './bearers.ts'
import { quarantineDetail, quarantineItem } from './quarantine-item.ts'
import { ids, moment, pageSize, readRequest, text } from './read-request.ts'

/** Each reads as much of the quarantine as there is. */
const mostAtOnce = 4

const selectionShape = {
  reason: z.enum(reasons, `must be one of ${reasons.join(', ')}`).optional(),
  clientId: ids.clientId.optional(),
  registrationRequestId: ids.registrationRequestId.optional(),
  from: moment().optional(),
  to: moment().optional(),
}

/** The parameters of `GET /v1/quarantine`. */
const listQuery = z.strictObject({
  ...selectionShape,
  limit: pageSize({ standard: 50, most: 200 }),
  cursor: text(60).refine(isCursor, 'is none that this list gave').optional(),
})

const position = z.string('must be a text').transform((given, context) => {
  const parsed = parsePosition(given)
  if (parsed !== null) return parsed
  context.addIssue('must be a position such as 3-42')
  return z.NEVER
})

/** The body of `POST /v1/quarantine/redrive`. */
const redriveBody = z.strictObject({
  selection: z
    .strictObject({ position: position.optional(), ...selectionShape }, 'must be an object')
    .refine(
      ({ position: at, ...rest }) =>
        at === undefined
          ? [rest.reason, rest.registrationRequestId, rest.from, rest.to].some((given) => given !== undefined)
          : Object.values(rest).every((given) => given === undefined),
      'must have a position alone, or at least one of reason, registrationRequestId, from and to',
    ),
  attributedTo: ids.referenceMerchantId.optional(),
  dryRun: z.boolean('must be true or false').default(false),
  again: z.boolean('must be true or false').default(false),
})

/** Adds what an operator does with records that were set aside. */
export function addQuarantineRoutes(
  app: FastifyInstance,
  ports: { quarantine: RedrivePorts; findBearer: FindBearer; log: Logger },
): void {
  const { quarantine, log } = ports
  let underWay = 0

  app.get('/v1/quarantine', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'viewer' })
    if (bearer === null) return reply
    const read = readRequest(listQuery, request.query, 'parameter')
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const { limit, cursor = null, ...selected } = read.value
    if (selected.clientId !== undefined && !bearer.maySee(selected.clientId)) return refuseClient(reply)
    const selection = selectionOf(selected, bearer)
    const asker = new AbortController()
    reply.raw.once('close', () => asker.abort())
    const gone = asker.signal
    const list = await answered(reply, () =>
      listQuarantine(quarantine, { selection, cursor, limit, gone }).catch((err: unknown) => {
        if (gone.aborted) return null
        throw err
      }),
    )
    if (list === null) return reply
    return { ...list, records: list.records.map(quarantineItem) }
  })

  app.get<{ Params: { position: string } }>('/v1/quarantine/:position', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'viewer' })
    if (bearer === null) return reply
    const at = parsePosition(request.params.position)
    if (at === null) return refuse(reply, 'bad_request', 'Ask for a position such as /v1/quarantine/3-42.')
    const { maySee } = bearer
    const found = await answered(reply, async () => [
      await findQuarantined(quarantine, { position: at, maySee }),
    ])
    if (found === null) return reply
    const [record] = found
    if (record === null || record === undefined) return refuseRecord(reply)
    return quarantineDetail(record, quarantine.partitions)
  })

  app.post('/v1/quarantine/redrive', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'operator' })
    if (bearer === null) return reply
    const read = readRequest(redriveBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { selection, attributedTo = null, dryRun, again } = read.value
    if (selection.clientId !== undefined && !bearer.maySee(selection.clientId)) return refuseClient(reply)
    const what: RedriveRequest['what'] =
      selection.position === undefined
        ? { kind: 'all', selection: selectionOf(selection, bearer) }
        : { kind: 'one', position: selection.position, maySee: bearer.maySee }

    const result = await answered(reply, () => redrive(quarantine, { what, attributedTo, dryRun, again }))
    const action = { action: 'quarantine.redrive', token: bearer.name, dryRun, again }
    if (result === null) {
      log.info({ ...action, outcome: 'unavailable' }, 'operator.action')
      return reply
    }
    const report = 'report' in result ? reportItem(result.report) : undefined
    log.info({ ...action, outcome: result.kind, ...report }, 'operator.action')
    if (result.kind === 'not_found') return refuseRecord(reply)
    if (result.kind === 'refused') return refuse(reply, 'refused', result.why)
    if (result.kind === 'done') return { dryRun, ...report }
    return reply
      .code(503)
      .header('retry-after', '2')
      .send({ error: { code: 'unavailable', message: result.why }, ...report })
  })

  /** What Kafka answers; null, and the request is refused for now, when it does not or too many ask at once. */
  async function answered<T>(reply: FastifyReply, ask: () => Promise<T>): Promise<T | null> {
    if (underWay >= mostAtOnce) {
      const message = 'Others are looking through the quarantine. Ask again in a moment.'
      refuseForNow(reply, { code: 'too_many', message, retryAfterS: 2 })
      return null
    }
    underWay++
    try {
      return await ask()
    } catch (err) {
      log.warn({ err }, 'quarantine.unavailable')
      const message = 'The quarantine cannot be read at the moment. Ask again.'
      refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 2 })
      return null
    } finally {
      underWay--
    }
  }
}

function selectionOf(
  { reason, clientId, registrationRequestId, from, to }: z.output<z.ZodObject<typeof selectionShape>>,
  { maySee }: Bearer,
): Selection {
  return { reason, clientId, registrationRequestId, fromMs: from, toMs: to, maySee }
}

function reportItem({ impossible, goOnFromMs, ...report }: RedriveReport) {
  const whys = Object.entries(impossible).map(([obstacle, records]) => ({ obstacle, records }))
  return {
    ...report,
    goOnFrom: goOnFromMs === null ? null : new Date(goOnFromMs).toISOString(),
    impossible: whys.map((item) => ({ ...item, why: new Map(Object.entries(obstacles)).get(item.obstacle) })),
  }
}

function refuseClient(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No such client is known.')
}

/** One answer for what does not exist and for what the bearer may not see. */
function refuseRecord(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No such record stands in quarantine. It keeps records for 30 days.')
}
