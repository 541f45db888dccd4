import { AssertionError } from 'node:assert'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { isRebuildMarker } from '@signalbox/registration-store/watermark'
import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { admit } from './access.ts'
import { refuse, refuseForNow } from './answers.ts'
import type { FindBearer } from './bearers.ts'
import { createFindRegistrations } from './find-registrations.ts'
import { cursorText, findUnanswered, parseCursor } from './find-unanswered.ts'
import { ids, pageSize, readRequest, text } from './read-request.ts'
import { registrationItem } from './registration-item.ts'
import { registrationsQuery } from './registrations-query.ts'

/** A person waits for the answer, and a 503 sends a program elsewhere sooner than a time-out. */
const readDeadlineMs = 3_000
const hourMs = 3_600_000

const hours = 'must be a whole number of hours from 0 to 8760'

/** The parameters of `GET /v1/registrations/unanswered`. */
const unansweredQuery = z.strictObject({
  clientId: ids.clientId,
  olderThanHours: z
    .string(hours)
    .regex(/^[0-9]{1,4}$/, hours)
    .transform(Number)
    .refine((value) => value <= 8_760, hours)
    .default(24),
  limit: pageSize({ standard: 100, most: 500 }),
  cursor: text(3_000)
    .transform((given, context) => {
      const cursor = parseCursor(given)
      if (cursor === null) context.addIssue('is none that this list gave')
      return cursor
    })
    .optional(),
})

/** Adds the questions about registrations, which the view answers. */
export function addRegistrationsRoutes(
  app: FastifyInstance,
  ports: {
    store: Pick<RegistrationStore, 'read' | 'listAttention' | 'readWatermark'>
    partitions: number
    findBearer: FindBearer
    log: Logger
    now: () => number
  },
): void {
  const findRegistrations = createFindRegistrations(ports)

  app.get('/v1/registrations', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'viewer' })
    if (bearer === null) return reply
    const read = readRequest(registrationsQuery, request.query, 'parameter')
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const query = read.value
    if (!bearer.maySee(query.clientId)) return refuseUnknown(reply)

    const page = await answered(findRegistrations(query))
    if (page === null) return refuseUnavailable(reply)
    if (!page.complete) return refuseIncomplete(reply)
    // A page may be empty at the end of a list, but a merchant without any registration is not known.
    if (page.registrations.length === 0 && query.cursor === undefined) return refuseUnknown(reply)
    return { registrations: page.registrations.map(registrationItem), next: page.next }
  })

  app.get('/v1/registrations/unanswered', async (request, reply) => {
    const bearer = admit({ request, reply }, { ...ports, role: 'viewer' })
    if (bearer === null) return reply
    const read = readRequest(unansweredQuery, request.query, 'parameter')
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const { clientId, olderThanHours, limit, cursor: after = null } = read.value
    if (!bearer.maySee(clientId)) return refuse(reply, 'not_found', 'No such client is known.')

    const untilMs = ports.now() - olderThanHours * hourMs
    const found = await answered(
      Promise.all([isViewComplete(), findUnanswered(ports, { clientId, untilMs, limit, after })]),
    )
    if (found === null) return refuseUnavailable(reply)
    const [isComplete, { unanswered, next }] = found
    if (!isComplete) return refuseIncomplete(reply)
    return {
      registrations: unanswered.map(({ registration, sinceMs }) => ({
        ...registration,
        openedAt: new Date(sinceMs).toISOString(),
        unansweredHours: Math.floor((ports.now() - sinceMs) / hourMs),
      })),
      next: next === null ? null : cursorText(next),
    }
  })

  /** What the view answers in time; null, and a line in the log, when it does not. */
  async function answered<T>(reading: Promise<T>): Promise<T | null> {
    try {
      return await beforeDeadline(reading)
    } catch (trouble) {
      if (trouble instanceof AssertionError) throw trouble
      ports.log.warn({ err: trouble }, 'registrations.unavailable')
      return null
    }
  }

  async function isViewComplete(): Promise<boolean> {
    const watermarks = await Promise.all(
      Array.from({ length: ports.partitions }, (_, partition) => ports.store.readWatermark({ partition })),
    )
    return watermarks.every((watermark) => watermark !== null && !isRebuildMarker(watermark))
  }
}

/** One answer for what does not exist and for what the bearer may not see, so that it cannot tell the two apart. */
function refuseUnknown(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'not_found', 'No registration of this client, merchant and store is known.')
}

function refuseUnavailable(reply: FastifyReply): FastifyReply {
  const message = 'Registrations cannot be read at the moment. Ask again.'
  return refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 1 })
}

function refuseIncomplete(reply: FastifyReply): FastifyReply {
  const message = 'The view of registrations is being made. Ask again in a moment.'
  return refuseForNow(reply, { code: 'unavailable', message, retryAfterS: 5 })
}

async function beforeDeadline<T>(reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`The view did not answer within ${readDeadlineMs} ms.`)),
    readDeadlineMs,
  )
  try {
    return await Promise.race([reading, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
