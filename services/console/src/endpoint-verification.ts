import { changeEndpoint, type Endpoint, secretsInForce } from '@signalbox/alert-endpoints/endpoint'
import { openHeaders } from '@signalbox/alert-endpoints/sealed-headers'
import { endpointRecord } from '@signalbox/contracts/endpoint-record'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { refuse, refuseForNow } from './answers.ts'
import { challengeProblem } from './endpoint-challenge.ts'
import {
  type createEndpointExchange,
  type Entered,
  type EndpointRoutePorts,
  tagged,
} from './endpoint-exchange.ts'

/** Each holds a connection for as long as an endpoint lets us wait. */
const mostAtOnce = 8

/** The answer when the owner of an e-mail address is asked. */
export const askedShape = z.strictObject({
  endpointId: endpointRecord.shape.endpointId,
  revision: endpointRecord.shape.revision,
  message: z.string().describe('For people: what happens next.'),
})

const askedWords =
  'An e-mail with a link is on its way to the address. Whoever follows it within seven days makes the endpoint active.'

/** Adds the request that has an endpoint show that it is there and wants alerts. */
export function addVerificationRoute(
  app: FastifyInstance,
  ports: Pick<EndpointRoutePorts, 'log' | 'now'> & { exchange: ReturnType<typeof createEndpointExchange> },
): void {
  const { log, now } = ports
  const { enter, find, change, answerEndpoint } = ports.exchange
  let underWay = 0
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  app.post<{ Params: { endpointId: string } }>('/v1/endpoints/:endpointId/verify', async (request, reply) => {
    const entered = enter({ request, reply }, 'operator')
    if (entered === null) return reply
    const endpoint = await find({ request, reply }, entered)
    if (endpoint === null) return reply
    const { endpointId, target, state } = endpoint
    if (state === 'active') return answerEndpoint(reply, endpoint, entered)
    if (target?.type === 'email') {
      const action = 'verification_requested'
      const asked = await change(reply, entered, { endpointId, action }, (known, context) =>
        changeEndpoint(known, { kind: 'requestVerification' }, context),
      )
      if (asked === null) return reply
      // Its owner was faster.
      if (asked.state === 'active') return answerEndpoint(reply, asked, entered)
      const answer: z.infer<typeof askedShape> = { endpointId, revision: asked.revision, message: askedWords }
      return tagged(reply, asked).code(202).send(answer)
    }
    if (target !== null && state === 'unverified') {
      if (underWay >= mostAtOnce) {
        const message = 'Others are verifying endpoints. Ask again in a moment.'
        return refuseForNow(reply, { code: 'too_many', message, retryAfterS: 5 })
      }
      const asker = new AbortController()
      reply.raw.once('close', () => asker.abort())
      const signal = AbortSignal.any([asker.signal, closing.signal])
      underWay++
      const problem = await ask(endpoint, target.url, entered, signal)
        .catch((err: unknown) => {
          if (signal.aborted) return 'Its answer could not be waited for. Ask again.'
          throw err
        })
        .finally(() => underWay--)
      if (problem !== null) {
        const token = entered.bearer.name
        log.info(
          { action: 'endpoint.verified', token, endpointId, outcome: 'not_verified' },
          'operator.action',
        )
        return refuse(reply, 'refused', `The endpoint is not verified. ${problem}`)
      }
    }
    // What must not be verified is refused by this.
    const address = target?.url ?? ''
    const verified = await change(reply, entered, { endpointId, action: 'verified' }, (known, context) =>
      changeEndpoint(known, { kind: 'verify', address }, context),
    )
    return verified === null ? reply : answerEndpoint(reply, verified, entered)
  })

  async function ask(
    endpoint: Endpoint,
    url: string,
    { endpoints: { sealing, send, signingKey } }: Entered,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { endpointId } = endpoint
    const nowMs = now()
    const unseal = (sealed: string) => sealing.unseal(sealed, { endpointId })
    const secrets = secretsInForce(endpoint, nowMs).map(unseal)
    const headers = openHeaders(endpoint, unseal)
    return challengeProblem({ endpointId, url, headers, secrets }, { send, signingKey, nowMs, signal })
  }
}
