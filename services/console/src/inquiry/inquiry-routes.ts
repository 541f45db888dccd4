import type { Logger } from '@signalbox/runtime/log'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { admit } from '../access.ts'
import { refuse, refuseForNow } from '../answers.ts'
import type { FindBearer } from '../bearers.ts'
import { ids, readRequest } from '../read-request.ts'
import type { InquiryWishes } from './inquiries.ts'

/** The body of `POST /v1/inquiries`. */
const wishedInquiry = z.strictObject(
  {
    clientId: ids.clientId,
    referenceMerchantId: ids.referenceMerchantId,
    referenceStoreId: ids.referenceStoreId.optional(),
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'Send one JSON object.' : undefined) },
)

/**
 * Adds `POST /v1/inquiries`: an operator wishes that Alipay+ be asked about one registration now, known to us or not.
 * 202 says that the wish is kept; what comes of it is in the log, the metrics and, if genuine, the registration.
 *
 * @param ports.wishes null: inquiries are off
 */
export function addInquiryRoutes(
  app: FastifyInstance,
  ports: { findBearer: FindBearer; wishes: InquiryWishes | null; log: Pick<Logger, 'info' | 'warn'> },
): void {
  app.post('/v1/inquiries', async (request, reply) => {
    const bearer = admit({ request, reply }, { findBearer: ports.findBearer, role: 'operator' })
    if (bearer === null) return reply
    const read = readRequest(wishedInquiry, request.body, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { clientId, referenceMerchantId, referenceStoreId = null } = read.value
    if (!bearer.maySee(clientId)) return refuse(reply, 'not_found', 'No such client is known.')
    const { wishes } = ports
    if (wishes === null) return refuse(reply, 'refused', 'Inquiries are off: set INQUIRY=true.')
    if (!wishes.isConfigured(clientId)) {
      return refuse(reply, 'refused', 'This client has no inquiryUrl in the clients file.')
    }
    const wish = wishes.wish({ clientId, referenceMerchantId, referenceStoreId })
    const kept = await wish.catch((err: unknown) => {
      ports.log.warn({ err }, 'inquiry.wish_lost')
      return 'lost' as const
    })
    if (kept === 'full') {
      return refuseForNow(reply, {
        code: 'too_many',
        message: 'Too many inquiries wait already. Come again later.',
        retryAfterS: 60,
      })
    }
    if (kept === 'lost') {
      return refuseForNow(reply, {
        code: 'unavailable',
        message: 'The inquiry cannot be kept at the moment. Come again.',
        retryAfterS: 1,
      })
    }
    ports.log.info({ requestId: request.id, by: bearer.name }, 'inquiry.wished')
    return reply.code(202).send({ accepted: true })
  })
}
