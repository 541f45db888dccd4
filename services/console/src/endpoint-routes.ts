import { randomBytes } from 'node:crypto'
import { changeEndpoint, type Endpoint, type NewSecret } from '@signalbox/alert-endpoints/endpoint'
import { fineHealth } from '@signalbox/alert-endpoints/endpoint-health'
import { sealHeaders } from '@signalbox/alert-endpoints/sealed-headers'
import type { EndpointTarget } from '@signalbox/contracts/endpoint-record'
import { encodeKeyPart } from '@signalbox/contracts/keys'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { z } from 'zod'
import { refuse } from './answers.ts'
import type { Bearer } from './bearers.ts'
import {
  type Action,
  createEndpointExchange,
  type Entered,
  type EndpointPorts,
  type EndpointRequest,
  type EndpointRoutePorts,
  type Exchange,
  refuseClient,
  tagged,
} from './endpoint-exchange.ts'
import { attemptItem, endpointDetail, endpointItem, secretItems } from './endpoint-item.ts'
import { attemptsQuery, createBody, listQuery, updateBody } from './endpoint-requests.ts'
import { addVerificationRoute } from './endpoint-verification.ts'
import { readRequest } from './read-request.ts'

/** Every change of a merchant is told to all of them. */
const mostOfMerchant = 50
const secretBytes = 32

type Named = { Params: { endpointId: string } }

/** Adds what is done with endpoints, which are where alerts go. */
export function addEndpointRoutes(app: FastifyInstance, ports: EndpointRoutePorts): void {
  const exchange = createEndpointExchange(ports)
  const { enter, answered, find, change, answerEndpoint } = exchange
  addVerificationRoute(app, { ...ports, exchange })

  app.post('/v1/endpoints', async (request, reply) => {
    const entered = enter({ request, reply }, 'operator')
    if (entered === null) return reply
    const { bearer, endpoints } = entered
    const read = readRequest(createBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { clientId, merchant, filters, limits, ...others } = read.value
    if (!bearer.maySee(clientId)) return refuseClient(reply)
    const problem = problemWith(endpoints, { ...others, filters })
    if (problem !== null) return refuse(reply, 'bad_request', problem)
    if (!(await hasRoom(reply, endpoints, { clientId, merchant }))) return reply

    const endpointId = `ep-${randomBytes(12).toString('base64url')}`
    const secret = others.target.type === 'webhook' ? makeSecret(endpoints, endpointId) : null
    const settings = {
      ...others,
      target: sealedTarget(endpoints, { target: others.target, endpointId, known: null }),
      filters: { ...noFilters, ...filters },
      limits: { ...noLimits, ...limits },
    }
    const created = await change(reply, entered, { endpointId, action: 'created' }, (known, context) =>
      changeEndpoint(
        known,
        { kind: 'create', endpointId, clientId, merchant, settings, secret: secret?.kept ?? null },
        context,
      ),
    )
    if (created === null) return reply
    // Nothing can go wrong any more: the secret would be lost.
    return tagged(reply, created)
      .code(201)
      .header('location', `/v1/endpoints/${endpointId}`)
      .header('cache-control', 'no-store')
      .send({ endpoint: endpointDetail(created, fineHealth), secret: secret?.text ?? null })
  })

  app.get('/v1/endpoints', async (request, reply) => {
    const entered = enter({ request, reply }, 'viewer')
    if (entered === null) return reply
    const { bearer, endpoints } = entered
    const read = readRequest(listQuery, request.query, 'parameter')
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const { clientId, cursor } = read.value
    if (!bearer.maySee(clientId ?? null)) {
      if (clientId !== undefined) return refuseClient(reply)
      const message = 'The parameter clientId is missing: give it, for your token does not see every client.'
      return refuse(reply, 'bad_query', message)
    }
    // One of another list would go on among the endpoints of somebody else.
    if (cursor !== undefined && !isCursorOf(cursor, clientId)) {
      return refuse(reply, 'bad_query', 'The parameter cursor is none that this list gave.')
    }
    const page = await answered(reply, async () => {
      const found = await endpoints.view.list(read.value)
      const items = found.endpoints.map(async (endpoint) =>
        endpointItem(endpoint, await endpoints.health.read(endpoint.endpointId)),
      )
      return { endpoints: await Promise.all(items), next: found.next }
    })
    return page === null ? reply : page.value
  })

  app.get<Named>('/v1/endpoints/:endpointId', async (request, reply) => {
    const entered = enter({ request, reply }, 'viewer')
    if (entered === null) return reply
    const endpoint = await find({ request, reply }, entered)
    return endpoint === null ? reply : answerEndpoint(reply, endpoint, entered)
  })

  app.patch<Named>('/v1/endpoints/:endpointId', async (request, reply) => {
    const entered = enter({ request, reply }, 'operator')
    if (entered === null) return reply
    const read = readRequest(updateBody, request.body ?? null, 'member')
    if (read.kind === 'refused') return refuse(reply, 'bad_request', read.problem)
    const { target, filters, limits, ...others } = read.value
    const endpoint = await find({ request, reply }, entered)
    if (endpoint === null) return reply
    const { endpointId, audience } = endpoint
    const problem = problemWith(entered.endpoints, {
      ...(target && { target }),
      ...(filters && { filters }),
      audience,
    })
    if (problem !== null) return refuse(reply, 'bad_request', problem)
    const updated = await change(reply, entered, { endpointId, action: 'updated' }, (known, context) => {
      if (known === null) return { kind: 'refused', problem: 'not_found' }
      if (target && takesHeadersElsewhere(known, target)) {
        return { kind: 'refused', problem: 'headers_missing' }
      }
      const settings = {
        ...others,
        ...(target && { target: mergedTarget(entered.endpoints, { known, given: target }) }),
        ...(filters && { filters: { ...known.filters, ...filters } }),
        ...(limits && { limits: { ...known.limits, ...limits } }),
      }
      return changeEndpoint(known, { kind: 'update', settings }, context)
    })
    return updated === null ? reply : answerEndpoint(reply, updated, entered)
  })

  app.post<Named>('/v1/endpoints/:endpointId/rotate-secret', async (request, reply) => {
    const entered = enter({ request, reply }, 'admin')
    if (entered === null) return reply
    const endpoint = await find({ request, reply }, entered)
    if (endpoint === null) return reply
    const { endpointId } = endpoint
    const { kept, text } = makeSecret(entered.endpoints, endpointId)
    const rotated = await change(reply, entered, { endpointId, action: 'secret_rotated' }, (known, context) =>
      changeEndpoint(known, { kind: 'rotateSecret', secret: kept }, context),
    )
    if (rotated === null) return reply
    return tagged(reply, rotated)
      .header('cache-control', 'no-store')
      .send({ endpointId, revision: rotated.revision, secret: text, secrets: secretItems(rotated) })
  })

  app.post<Named>('/v1/endpoints/:endpointId/disable', (request, reply) =>
    changeSimply({ request, reply }, 'operator', {
      action: 'disabled',
      change: { kind: 'disable', reason: 'by_operator' },
    }),
  )

  app.post<Named>('/v1/endpoints/:endpointId/enable', (request, reply) =>
    changeSimply({ request, reply }, 'operator', { action: 'enabled', change: { kind: 'enable' } }),
  )

  app.delete<Named>('/v1/endpoints/:endpointId', (request, reply) =>
    changeSimply({ request, reply }, 'admin', { action: 'deleted', change: { kind: 'delete' } }),
  )

  app.get<Named>('/v1/endpoints/:endpointId/attempts', async (request, reply) => {
    const entered = enter({ request, reply }, 'viewer')
    if (entered === null) return reply
    const read = readRequest(attemptsQuery, request.query, 'parameter')
    if (read.kind === 'refused') return refuse(reply, 'bad_query', read.problem)
    const endpoint = await find({ request, reply }, entered)
    if (endpoint === null) return reply
    const page = await answered(reply, () => entered.endpoints.attempts.list(endpoint.endpointId, read.value))
    return page === null ? reply : { attempts: page.value.attempts.map(attemptItem), next: page.value.next }
  })

  async function changeSimply(
    { request, reply }: Exchange<EndpointRequest>,
    role: Bearer['role'],
    wanted: { action: Action; change: Parameters<typeof changeEndpoint>[1] },
  ): Promise<FastifyReply> {
    const entered = enter({ request, reply }, role)
    if (entered === null) return reply
    const endpoint = await find({ request, reply }, entered)
    if (endpoint === null) return reply
    const of = { endpointId: endpoint.endpointId, action: wanted.action }
    const changed = await change(reply, entered, of, (known, context) =>
      changeEndpoint(known, wanted.change, context),
    )
    return changed === null ? reply : answerEndpoint(reply, changed, entered)
  }

  /** Whether a merchant may have one endpoint more; else the request has been answered. */
  async function hasRoom(
    reply: FastifyReply,
    { view }: Entered['endpoints'],
    { clientId, merchant }: { clientId: string; merchant: string },
  ): Promise<boolean> {
    const found = await answered(reply, () => view.ofMerchants([{ clientId, referenceMerchantId: merchant }]))
    if (found === null) return false
    const its = [...found.value.values()]
      .flat()
      .filter((one) => one.merchant === merchant && one.state !== 'deleted')
    if (its.length < mostOfMerchant) return true
    const message = `This merchant has ${mostOfMerchant} endpoints already: delete one that it does not need.`
    refuse(reply, 'refused', message)
    return false
  }
}

const noFilters = { eventTypes: null, pspNames: null, productCodes: null }
const noLimits = { ratePerSecond: null, concurrency: null }

/** What is wrong with settings that fit their schema, in words. */
function problemWith(
  { guard }: Pick<EndpointPorts, 'guard'>,
  {
    target,
    filters,
    audience,
  }: {
    target?: z.output<typeof updateBody>['target']
    filters?: z.output<typeof updateBody>['filters']
    audience: Endpoint['audience']
  },
): string | null {
  const url = target?.type === 'webhook' ? target.url : undefined
  const problem = url === undefined ? null : guard.urlProblem(url)
  if (problem !== null) {
    return `The member target.url cannot be used: ${problem}. Give a public https address, without a login in it.`
  }
  const forOperators = filters?.eventTypes?.find((type) => !isForMerchants(type))
  if (audience === 'operator' || forOperators === undefined) return null
  return `The member filters.eventTypes holds ${forOperators}, which only an endpoint with the audience operator is told.`
}

function isForMerchants(eventType: string): boolean {
  return eventType.startsWith('entry.') || eventType.startsWith('collective.')
}

/** Whether headers, which may hold a login, would be sent to another origin than they were given for. */
function takesHeadersElsewhere(
  { target }: Endpoint,
  given: NonNullable<z.output<typeof updateBody>['target']>,
): boolean {
  if (target?.type !== 'webhook' || given.type !== 'webhook') return false
  if (given.url === undefined || given.headers !== undefined) return false
  return Object.keys(target.headers).length > 0 && new URL(given.url).origin !== new URL(target.url).origin
}

/** What is not given stays. */
function mergedTarget(
  ports: Pick<EndpointPorts, 'sealing'>,
  { known, given }: { known: Endpoint; given: NonNullable<z.output<typeof updateBody>['target']> },
): EndpointTarget {
  if (given.type === 'email') return given
  const before = known.target?.type === 'webhook' ? known.target : { url: '', headers: {} }
  const { type, url = before.url, headers } = given
  if (headers === undefined) return { type, url, headers: before.headers }
  return sealedTarget(ports, { target: { type, url, headers }, endpointId: known.endpointId, known })
}

/** A target as it is kept. */
function sealedTarget(
  { sealing: keys }: Pick<EndpointPorts, 'sealing'>,
  { target, endpointId, known }: { target: EndpointTarget; endpointId: string; known: Endpoint | null },
): EndpointTarget {
  if (target.type === 'email') return target
  return { ...target, headers: sealHeaders(target.headers, { endpointId, known, keys }) }
}

/** A secret as its holder gets it, once, and as it is kept. */
function makeSecret(
  { sealing }: Pick<EndpointPorts, 'sealing'>,
  endpointId: string,
): { text: string; kept: NewSecret } {
  const secret = randomBytes(secretBytes)
  return {
    text: `whsec_${secret.toString('base64')}`,
    kept: {
      secretId: `s-${randomBytes(9).toString('base64url')}`,
      sealed: sealing.seal(secret, { endpointId }),
    },
  }
}

/** Whether a list of this client's endpoints, or of all, could have given a cursor. */
function isCursorOf(cursor: string, clientId: string | undefined): boolean {
  const [, key = ''] = /^[0-9]{1,4}:(.+)$/.exec(cursor) ?? []
  return key !== '' && (clientId === undefined || key.startsWith(`${encodeKeyPart(clientId)}/`))
}
