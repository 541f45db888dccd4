import { expect, test } from 'vitest'
import { createConsoleApp } from './console-app.fixture.ts'

const ids = { clientId: 'C1', referenceMerchantId: 'M1' }
const foreign = { clientId: 'C2', referenceMerchantId: 'M2' }
const opened = { registrationRequestId: 'R1' }

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
] as const

const roles = ['one-viewer', 'one-operator', 'one-admin'] as const

test.each(
  routes.flatMap(([method, url, body, ...statuses]) =>
    roles.map((role, index) => ({ method, url, body, role, status: statuses[index] })),
  ),
)('$role: $method $url $body is answered $status', async ({ method, url, body, role, status }) => {
  const console = createConsoleApp()
  expect((await console.ask(method, url, role, body)).statusCode).toBe(status)
  const appended = console.memory.recordsOf('registration.raw.v1')
  expect(appended).toHaveLength(status === 202 ? 1 : 0)
})

test.each(routes.map(([method, url, body]) => ({ method, url, body })))(
  'without a token $method $url is answered 401',
  async ({ method, url, body }) => {
    const console = createConsoleApp()
    const answer = await console.ask(method, url, null, body)
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="signalbox"'])
    expect(console.memory.reads()).toBe(0)
  },
)

test('every route of the API stands in the table of roles', () => {
  const { app } = createConsoleApp()
  const named = routes.map(([method, url]) => ({
    method,
    url: (url.split('?', 1)[0] ?? '').replace('0-0', ':position'),
  }))
  expect(named.filter((route) => !app.hasRoute(route))).toEqual([])
  const routed = app.printRoutes({ commonPrefix: false }).match(/\([A-Z, ]+\)/g)
  expect(routed).toHaveLength(new Set(named.map(({ url }) => url)).size)
})
