import { createHash } from 'node:crypto'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import Fastify from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFindBearer } from '../bearers.ts'
import type { InquiryWishes } from './inquiries.ts'
import { addInquiryRoutes } from './inquiry-routes.ts'

let wished: RegistrationRef[]
let wish: InquiryWishes['wish']
let app: ReturnType<typeof openApp>

beforeEach(() => {
  wished = []
  wish = async () => 'kept'
  app = openApp({
    isConfigured: (clientId) => clientId !== 'C-off',
    wish: (registration) => {
      wished.push(registration)
      return wish(registration)
    },
  })
})
afterEach(() => app.close())

function openApp(wishes: InquiryWishes | null) {
  const opened = Fastify()
  addInquiryRoutes(opened, {
    findBearer: createFindBearer({
      tokens: [
        { sha256: sha256('operator'), role: 'operator', clients: ['C1', 'C-off'] },
        { sha256: sha256('admin'), role: 'admin', clients: '*' },
        { sha256: sha256('viewer'), role: 'viewer', clients: '*' },
      ],
    }),
    wishes,
    log: { info: () => {}, warn: () => {} },
  })
  return opened
}

function post(payload: object, token = 'operator') {
  const headers = { authorization: `Bearer ${token}` }
  return app.inject({ method: 'POST', url: '/v1/inquiries', headers, payload })
}

const m1 = { clientId: 'C1', referenceMerchantId: 'M1' }

test.each([
  ['with a store', { ...m1, referenceStoreId: 'S1' }, 'S1'],
  ['without a store', m1, null],
])('a wish for a registration %s is kept and answered 202', async (_, body, referenceStoreId) => {
  const answer = await post(body)
  expect([answer.statusCode, answer.json()]).toEqual([202, { accepted: true }])
  expect(wished).toEqual([{ ...m1, referenceStoreId }])
})

test.each([
  ['an unknown token', 'guess', m1, 401, 'unauthorized'],
  ['a viewer', 'viewer', m1, 403, 'forbidden'],
  ['an operator of other clients', 'operator', { ...m1, clientId: 'C2' }, 404, 'not_found'],
  ['a client without an address', 'operator', { ...m1, clientId: 'C-off' }, 409, 'refused'],
  ['no merchant', 'operator', { clientId: 'C1' }, 400, 'bad_request'],
  ['an empty store', 'operator', { ...m1, referenceStoreId: '' }, 400, 'bad_request'],
  ['an over-long merchant', 'operator', { ...m1, referenceMerchantId: 'm'.repeat(65) }, 400, 'bad_request'],
  ['a member that is not known', 'operator', { ...m1, round: 'R1' }, 400, 'bad_request'],
  ['a list', 'operator', [m1], 400, 'bad_request'],
] as const)('%s is refused, and nothing is kept', async (_, token, body, status, code) => {
  const answer = await post(body, token)
  expect([answer.statusCode, answer.json()]).toMatchObject([status, { error: { code } }])
  expect(wished).toEqual([])
})

test('an admin may do what an operator may', async () => {
  expect((await post({ ...m1, clientId: 'C2' }, 'admin')).statusCode).toBe(202)
})

const redisAway: InquiryWishes['wish'] = async () => {
  throw new Error('Connection is closed.')
}

test.each<[string, InquiryWishes['wish'], number, string]>([
  ['too many wait', async () => 'full', 429, '60'],
  ['Redis is away', redisAway, 503, '1'],
])('when %s it is told when to come again', async (_, outcome, status, retryAfter) => {
  wish = outcome
  const answer = await post(m1)
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([status, retryAfter])
  expect(answer.body).not.toContain('Connection')
})

test('while inquiries are off it is told which variable turns them on', async () => {
  await app.close()
  app = openApp(null)
  const answer = await post(m1)
  expect([answer.statusCode, answer.json()]).toEqual([
    409,
    { error: { code: 'refused', message: 'Inquiries are off: set INQUIRY=true.' } },
  ])
})

function sha256(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
