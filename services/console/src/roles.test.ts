import { expect, test } from 'vitest'
import { createConsoleApp, nowMs } from './console-app.fixture.ts'
import { createMemoryEndpoints } from './memory-endpoints.fixture.ts'

const ids = { clientId: 'C1', referenceMerchantId: 'M1' }
const foreign = { clientId: 'C2', referenceMerchantId: 'M2' }
const opened = { registrationRequestId: 'R1' }

const endpoint = { merchant: 'M1', target: { type: 'webhook', url: 'https://merchant.example/alerts' } }

/** Per route what each role is answered about a client that it sees, and about one that it does not. */
const routes = [
  ['GET', '/v1/registrations?clientId=C1&referenceMerchantId=M1', undefined, 404, 404, 404],
  ['GET', '/v1/registrations/unanswered?clientId=C1', undefined, 200, 200, 200],
  ['GET', '/v1/registrations/unanswered?clientId=C2', undefined, 404, 404, 404],
  ['GET', '/v1/quarantine', undefined, 200, 200, 200],
  ['GET', '/v1/quarantine?clientId=C2', undefined, 404, 404, 404],
  ['GET', '/v1/quarantine/0-0', undefined, 404, 404, 404],
  ['POST', '/v1/quarantine/redrive', { selection: { reason: 'wrong_type' } }, 403, 200, 200],
  ['POST', '/v1/quarantine/redrive', { selection: { reason: 'wrong_type', clientId: 'C2' } }, 403, 404, 404],
  ['POST', '/v1/registrations/opened', { ...ids, ...opened }, 403, 202, 202],
  ['POST', '/v1/registrations/opened', { ...foreign, ...opened }, 403, 404, 404],
  ['POST', '/v1/registrations/erased', ids, 403, 403, 202],
  ['POST', '/v1/registrations/erased', foreign, 403, 403, 404],
  ['POST', '/v1/inquiries', ids, 403, 409, 409],
  ['POST', '/v1/inquiries', foreign, 403, 404, 404],
  ['GET', '/v1/endpoints?clientId=C1', undefined, 200, 200, 200],
  ['GET', '/v1/endpoints?clientId=C2', undefined, 404, 404, 404],
  ['GET', '/v1/endpoints/ep-1', undefined, 200, 200, 200],
  ['GET', '/v1/endpoints/ep-2', undefined, 404, 404, 404],
  ['GET', '/v1/endpoints/ep-1/attempts', undefined, 200, 200, 200],
  ['GET', '/v1/endpoints/ep-2/attempts', undefined, 404, 404, 404],
  ['POST', '/v1/endpoints', { ...endpoint, clientId: 'C1' }, 403, 201, 201],
  ['POST', '/v1/endpoints', { ...endpoint, clientId: 'C2' }, 403, 404, 404],
  ['PATCH', '/v1/endpoints/ep-1', { keepsResponses: true }, 403, 200, 200],
  ['PATCH', '/v1/endpoints/ep-2', { keepsResponses: true }, 403, 404, 404],
  ['POST', '/v1/endpoints/ep-1/verify', undefined, 403, 409, 409],
  ['POST', '/v1/endpoints/ep-2/verify', undefined, 403, 404, 404],
  ['POST', '/v1/endpoints/ep-1/disable', undefined, 403, 200, 200],
  ['POST', '/v1/endpoints/ep-2/disable', undefined, 403, 404, 404],
  ['POST', '/v1/endpoints/ep-1/enable', undefined, 403, 409, 409],
  ['POST', '/v1/endpoints/ep-2/enable', undefined, 403, 404, 404],
  ['POST', '/v1/endpoints/ep-1/rotate-secret', undefined, 403, 403, 200],
  ['POST', '/v1/endpoints/ep-2/rotate-secret', undefined, 403, 403, 404],
  ['POST', '/v1/replays', { clientId: 'C1', merchant: 'M1', dryRun: true }, 403, 200, 200],
  ['POST', '/v1/replays', { clientId: 'C2', merchant: 'M1', dryRun: true }, 403, 404, 404],
  ['DELETE', '/v1/endpoints/ep-1', undefined, 403, 403, 200],
  ['DELETE', '/v1/endpoints/ep-2', undefined, 403, 403, 404],
] as const

/** What takes no token of ours: public keys, and the links of e-mails, which are tokens themselves. */
const open = [
  ['GET', '/.well-known/signalbox-webhook-keys'],
  ['GET', '/e/*'],
  ['POST', '/e/*'],
] as const

const roles = ['one-viewer', 'one-operator', 'one-admin'] as const

test.each(
  routes.flatMap(([method, url, body, ...statuses]) =>
    roles.map((role, index) => ({ method, url, body, role, status: statuses[index] })),
  ),
)('$role: $method $url $body is answered $status', async ({ method, url, body, role, status }) => {
  const console = await createConsoleWithEndpoints()
  expect((await console.ask(method, url, role, body)).statusCode).toBe(status)
  const appended = console.memory.recordsOf('registration.raw.v1')
  expect(appended).toHaveLength(status === 202 ? 1 : 0)
})

test.each(routes.map(([method, url, body]) => ({ method, url, body })))(
  'without a token $method $url is answered 401',
  async ({ method, url, body }) => {
    const console = await createConsoleWithEndpoints()
    const answer = await console.ask(method, url, null, body)
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="signalbox"'])
    expect(console.memory.reads()).toBe(0)
  },
)

test('every route of the API stands in the table of roles, or is open to all', async () => {
  const { app } = await createConsoleWithEndpoints()
  await app.ready()
  const named = [...routes, ...open].map(([method, url]) => ({
    method,
    url: (url.split('?', 1)[0] ?? '').replace('0-0', ':position').replace(/ep-[12]/, ':endpointId'),
  }))
  expect(named.filter((route) => !app.hasRoute(route))).toEqual([])
  const groups = app.printRoutes({ commonPrefix: false }).match(/(?<=\()[A-Z, ]+(?=\))/g) ?? []
  const routed = groups.flatMap((methods) => methods.split(', ')).filter((method) => method !== 'HEAD')
  expect(routed).toHaveLength(new Set(named.map(({ method, url }) => `${method} ${url}`)).size)
})

/** ep-1 is an endpoint of C1, ep-2 one of C2. */
async function createConsoleWithEndpoints() {
  const { add, ports } = createMemoryEndpoints({ now: () => nowMs })
  await add({ endpointId: 'ep-1', clientId: 'C1' })
  await add({ endpointId: 'ep-2', clientId: 'C2' })
  return createConsoleApp({}, { endpoints: ports })
}
