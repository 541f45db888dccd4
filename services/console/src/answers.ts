import type { FastifyReply } from 'fastify'
import { z } from 'zod'

/** The HTTP status of each code. */
export const refusals = {
  bad_query: 400,
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  refused: 409,
  changed_meanwhile: 412,
  too_many: 429,
  internal: 500,
  unavailable: 503,
} as const

/** What every answer is that is not the one asked for. */
export const refusalShape = z.strictObject({
  error: z.strictObject({
    code: z.enum(Object.keys(refusals)),
    message: z.string().describe('For people: what is wrong, where, and what to do.'),
  }),
})

/** The one shape of everything that is not the answer asked for; the message says what to do. */
export function refuse(reply: FastifyReply, code: keyof typeof refusals, message: string): FastifyReply {
  return reply.code(refusals[code]).send({ error: { code, message } })
}

export function refuseUnreadable(reply: FastifyReply): FastifyReply {
  return refuse(reply, 'bad_request', 'The request cannot be read: see to its address, headers and body.')
}

/** Refuses what may be had a little later. */
export function refuseForNow(
  reply: FastifyReply,
  { code, message, retryAfterS }: { code: 'unavailable' | 'too_many'; message: string; retryAfterS: number },
): FastifyReply {
  return refuse(reply.header('retry-after', String(retryAfterS)), code, message)
}
