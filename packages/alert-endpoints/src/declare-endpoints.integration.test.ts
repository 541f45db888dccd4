import { expect, test } from 'vitest'
import { type DeclaredEndpoint, declareEndpoints } from './declare-endpoints.ts'
import { url, webhookSettings } from './endpoint.fixture.ts'
import { changeEndpoint, type DisableReason, type EndpointChange, secretsInForce } from './endpoint.ts'
import { openScene } from './endpoints-scene.fixture.ts'
import { openHeaders } from './sealed-headers.ts'
import { writeKeysFile } from './sealing.fixture.ts'
import { readSealingKeys } from './sealing.ts'

const firstSecret = Buffer.alloc(32, 1)
const otherSettings = webhookSettings({ keepsResponses: true })

const declared = (differs: Partial<DeclaredEndpoint> = {}): DeclaredEndpoint => ({
  endpointId: 'one',
  clientId: 'client',
  merchant: 'M1',
  settings: webhookSettings(),
  secret: firstSecret,
  activeFrom: '1970-01-01T00:00:00.000Z',
  ...differs,
})

const withHeader = (value: string) =>
  declared({
    settings: webhookSettings({ target: { type: 'webhook', url, headers: { 'x-api-key': value } } }),
  })
const secretNumber = (n: number) => declared({ secret: Buffer.alloc(32, n) })

async function openDeclaring() {
  const scene = await openScene()
  const process = await scene.openProcess()
  const keys = readSealingKeys(writeKeysFile([{ keyId: 'k1' }]))
  async function find(endpointId = 'one') {
    const found = await process.view.find(endpointId)
    if (found === null) throw new Error('it is there')
    return found
  }

  async function secretsOf() {
    const found = await find()
    return secretsInForce(found, Date.now()).map((sealed) => keys.unseal(sealed, { endpointId: 'one' }))
  }

  return {
    declare: (...endpoints: readonly DeclaredEndpoint[]) => declareEndpoints(endpoints, { ...process, keys }),
    change: (made: EndpointChange) =>
      process.writer.change('one', (known, nowMs) => changeEndpoint(known, made, { nowMs, by: 'test' })),
    find,
    process,
    keys,
    /** All that the topic and Redis hold. */
    content: async () =>
      [await scene.redisContent(), ...(await scene.log()).map(({ value }) => String(value))].join('\n'),
    secretsOf,
    revisions: async () => (await scene.log()).length,
  }
}

test('each is active and verified at once, with its audit trail; the second start writes nothing', async () => {
  const { declare, find, secretsOf, revisions } = await openDeclaring()
  const email = declared({
    endpointId: 'mail',
    merchant: '*',
    secret: null,
    settings: { ...webhookSettings(), target: { type: 'email', address: 'shop@merchant.example' } },
    activeFrom: '2026-03-01T10:00:00.000Z',
  })
  expect(await declare(declared(), email)).toEqual({
    changed: ['one', 'mail'],
    unchanged: [],
    noLongerDeclared: [],
  })
  expect(await find()).toMatchObject({ state: 'active', activeFrom: '1970-01-01T00:00:00.000Z', revision: 1 })
  expect(await find('mail')).toMatchObject({ state: 'active', activeFrom: email.activeFrom, secrets: [] })
  expect((await find()).history).toMatchObject([{ by: 'ENDPOINTS_FILE', action: 'declared', detail: null }])
  expect(await secretsOf()).toEqual([firstSecret])
  expect(await declare(declared(), email)).toMatchObject({ changed: [], unchanged: ['one', 'mail'] })
  expect(await revisions()).toBe(2)
})

test('values of headers lie sealed, are written once, and only another value is written again', async () => {
  const { declare, find, keys, content, revisions, process } = await openDeclaring()
  await declare(withHeader('k-first-value'))
  expect(await declare(withHeader('k-first-value'))).toMatchObject({ unchanged: ['one'] })
  expect(await revisions()).toBe(1)
  expect(await declare(withHeader('k-other-value'))).toMatchObject({ changed: ['one'] })
  const open = (sealed: string) => keys.unseal(sealed, { endpointId: 'one' })
  expect(openHeaders(await find(), open)).toEqual({ 'x-api-key': 'k-other-value' })
  const text = (await content()) + JSON.stringify(process.events)
  expect(text).toContain('x-api-key')
  expect(text).not.toMatch(/k-(first|other)-value/)
})

test('thirty-two at most are under way at a time, and what came of them is told in the order of the file', async () => {
  const { process, keys } = await openDeclaring()
  let underWay = 0
  let most = 0
  const writer: typeof process.writer = {
    async change(...given) {
      underWay += 1
      most = Math.max(most, underWay)
      try {
        return await process.writer.change(...given)
      } finally {
        underWay -= 1
      }
    },
  }
  const many = Array.from({ length: 80 }, (_, index) => declared({ endpointId: `e${index}` }))
  const { changed } = await declareEndpoints(many, { ...process, writer, keys })
  expect(changed).toEqual(many.map(({ endpointId }) => endpointId))
  expect(most).toBe(32)
})

test('after one that fails no other begins, and those under way are waited for', async () => {
  const { process, keys } = await openDeclaring()
  const begun: string[] = []
  let ended = 0
  const writer: typeof process.writer = {
    async change(endpointId, decide) {
      begun.push(endpointId)
      if (endpointId === 'e3') return { kind: 'refused', problem: 'id_taken' }
      const result = await process.writer.change(endpointId, decide)
      ended += 1
      return result
    },
  }
  const many = Array.from({ length: 80 }, (_, index) => declared({ endpointId: `e${index}` }))
  await expect(declareEndpoints(many, { ...process, writer, keys })).rejects.toThrow(/endpoint e3/)
  expect([begun.length, ended]).toEqual([32, 31])
})

test('a fourth secret within a day is refused with what to do until when; the one before may come back', async () => {
  const { declare } = await openDeclaring()
  for (const n of [1, 2, 3]) await declare(secretNumber(n))
  await expect(declare(secretNumber(4))).rejects.toThrow(
    /endpoint one has three secrets.*until \d{4}-.*Put the one before/,
  )
  expect(await declare(secretNumber(2))).toMatchObject({ changed: ['one'] })
})

test('several processes that start at once declare each once', async () => {
  const { declare, revisions } = await openDeclaring()
  const many = Array.from({ length: 5 }, (_, index) => declared({ endpointId: `e${index}` }))
  const results = await Promise.all([declare(...many), declare(...many), declare(...many)])
  expect(results.flatMap(({ changed }) => changed).toSorted()).toEqual(['e0', 'e1', 'e2', 'e3', 'e4'])
  expect(await revisions()).toBe(5)
})

test('a lease that a killed process has left is waited for, until it ends', async () => {
  const scene = await openScene()
  const process = await scene.openProcess({ waitMs: 50 })
  const keys = readSealingKeys(writeKeysFile([{ keyId: 'k1' }]))
  await scene.redis.set(`${scene.keyPrefix}{e-one}:lease`, 'killed', 'PX', 500)
  expect(await declareEndpoints([declared()], { ...process, keys })).toMatchObject({ changed: ['one'] })
})

test('what the file changes is changed; a new secret signs first, beside the one before', async () => {
  const { declare, find, secretsOf } = await openDeclaring()
  await declare(declared())
  const secret = Buffer.alloc(24, 2)
  expect(await declare(declared({ settings: otherSettings, secret }))).toMatchObject({ changed: ['one'] })
  expect(await find()).toMatchObject({ keepsResponses: true, state: 'active' })
  expect((await find()).history.at(-1)?.detail).toBe('keepsResponses, secret')
  expect(await secretsOf()).toEqual([secret, firstSecret])
})

test.each<[DisableReason]>([['gone'], ['failing'], ['by_operator'], ['unsubscribed']])(
  'one that is disabled (%s) stays so over a restart',
  async (reason) => {
    const { declare, find, change } = await openDeclaring()
    await declare(declared())
    await change({ kind: 'disable', reason })
    expect(await declare(declared())).toMatchObject({ unchanged: ['one'] })
    expect(await find()).toMatchObject({ state: 'disabled', reason })
  },
)

test.each<[DisableReason, string]>([
  ['gone', 'active'],
  ['failing', 'active'],
  ['by_operator', 'disabled'],
  ['unsubscribed', 'disabled'],
])('another definition of one that is disabled (%s) leaves it %s', async (reason, state) => {
  const { declare, find, change } = await openDeclaring()
  await declare(declared())
  await change({ kind: 'disable', reason })
  await declare(declared({ settings: otherSettings }))
  expect(await find()).toMatchObject({ state, keepsResponses: true })
})

test('what was missed while one was gone is not owed afterwards; one that failed is owed all', async () => {
  const { declare, find, change } = await openDeclaring()
  await declare(declared())
  await change({ kind: 'disable', reason: 'failing' })
  await declare(declared({ settings: otherSettings }))
  expect((await find()).activeFrom).toBe('1970-01-01T00:00:00.000Z')
  await change({ kind: 'disable', reason: 'gone' })
  await declare(declared())
  const endpoint = await find()
  expect(endpoint.activeFrom).toBe(endpoint.changedAt)
})

test('one that is deleted but declared is there again, and one of the console can be declared', async () => {
  const { declare, find, change } = await openDeclaring()
  await declare(declared())
  await change({ kind: 'delete' })
  await declare(declared())
  expect(await find()).toMatchObject({ state: 'active', revision: 3 })
  await change({
    kind: 'update',
    settings: { target: { type: 'webhook', url: 'https://other.example/', headers: {} } },
  })
  expect(await find()).toMatchObject({ state: 'unverified' })
  await declare(declared())
  expect(await find()).toMatchObject({ state: 'active', target: { url: 'https://merchant.example/hook' } })
})

test('an id of another merchant is refused by its name', async () => {
  const { declare } = await openDeclaring()
  await declare(declared())
  await expect(declare(declared({ merchant: 'M2' }))).rejects.toThrow(
    /ENDPOINTS_FILE: endpoint one .*another merchant or client/,
  )
})

test('one that the file no longer has is told, and stays', async () => {
  const { declare, find } = await openDeclaring()
  await declare(declared(), declared({ endpointId: 'two' }))
  expect(await declare(declared())).toMatchObject({ noLongerDeclared: ['two'] })
  expect((await find('two')).state).toBe('active')
})
