import { randomBytes } from 'node:crypto'
import { endpointKey, endpointMerchantKey, readEndpointRecord } from '@signalbox/contracts/endpoint-record'
import { partitionOf } from '@signalbox/kafka/partition'
import { describe, expect, test } from 'vitest'
import { creation, startMs, unverified, url } from './endpoint.fixture.ts'
import {
  changeEndpoint,
  type Endpoint,
  type EndpointChange,
  secretsInForce,
  standardSettings,
} from './endpoint.ts'
import { heldProducer, openScene, partitions } from './endpoints-scene.fixture.ts'
import { resealEndpoints } from './reseal-endpoints.ts'
import { openHeaders, sealHeaders } from './sealed-headers.ts'
import { freshKey, writeKeysFile } from './sealing.fixture.ts'
import { readSealingKeys, SealingTrouble } from './sealing.ts'

type Scene = Awaited<ReturnType<typeof openScene>>
type Process = Awaited<ReturnType<Scene['openProcess']>>

const change = ({ writer }: Process, made: EndpointChange, by = 'test', id = 'one') =>
  writer.change(id, (known, nowMs) => changeEndpoint(known, made, { nowMs, by }))

const header = (name: string) =>
  ({ kind: 'update', settings: { target: { type: 'webhook', url, headers: { [name]: '1' } } } }) as const

async function valuesOf({ log }: Scene): Promise<(Endpoint | null)[]> {
  return (await log()).map(({ value }) => readEndpointRecord(value?.toString() ?? ''))
}

test('a change is in the log, under its key and in its merchant’s partition, and in the view when it resolves', async () => {
  const scene = await openScene()
  const one = await scene.openProcess()
  const other = await scene.openProcess()
  const result = await change(one, creation())
  expect(result).toMatchObject({ kind: 'changed', endpoint: { revision: 1, state: 'unverified' } })
  expect(await other.view.find('one')).toEqual(result.kind === 'changed' && result.endpoint)
  const [record] = await scene.log()
  expect(record).toMatchObject({
    key: endpointKey(unverified()),
    partition: partitionOf(endpointMerchantKey(unverified()), partitions),
  })
})

test('what is refused or so already writes nothing, and nobody has to wait for it', async () => {
  const scene = await openScene()
  const one = await scene.openProcess()
  expect(await change(one, { kind: 'enable' })).toEqual({ kind: 'refused', problem: 'not_found' })
  await change(one, creation())
  await change(one, { kind: 'verify', address: url })
  expect(await change(one, { kind: 'verify', address: url })).toMatchObject({ kind: 'unchanged' })
  expect(await change(one, creation())).toEqual({ kind: 'refused', problem: 'exists' })
  expect(await valuesOf(scene)).toHaveLength(2)
  expect(await scene.redis.exists(`${scene.keyPrefix}{e-one}:lease`)).toBe(0)
})

test('the clock is the one that it was given', async () => {
  const scene = await openScene()
  const process = await scene.openProcess({ now: () => startMs + 7 })
  await change(process, creation())
  expect((await process.view.find('one'))?.changedAt).toBe(new Date(startMs + 7).toISOString())
})

describe('two writers at once', () => {
  test('lose no update: each decides on what the one before has written', async () => {
    const scene = await openScene()
    const writers = [await scene.openProcess(), await scene.openProcess(), await scene.openProcess()]
    const [first] = writers
    if (first === undefined) throw new Error('three writers')
    await change(first, creation())
    const names = Array.from({ length: 15 }, (_, index) => `x-${index}`)
    const results = await Promise.all(
      names.map((name, index) => {
        const { writer } = writers[index % 3] ?? first
        return writer.change('one', (known, nowMs) => {
          const headers = known?.target?.type === 'webhook' ? { ...known.target.headers, [name]: '1' } : {}
          const settings = { target: { type: 'webhook', url, headers } } as const
          return changeEndpoint(known, { kind: 'update', settings }, { nowMs, by: name })
        })
      }),
    )
    expect(results.map(({ kind }) => kind)).toEqual(names.map(() => 'changed'))
    const standing = await first.view.find('one')
    expect(
      Object.keys(standing?.target?.type === 'webhook' ? standing.target.headers : {}).toSorted(),
    ).toEqual(names.toSorted())
    expect((await valuesOf(scene)).map((value) => value?.revision)).toEqual(
      Array.from({ length: 16 }, (_, index) => index + 1),
    )
  })

  test('create one endpoint, not two', async () => {
    const scene = await openScene()
    const writers = [await scene.openProcess(), await scene.openProcess()]
    const results = await Promise.all(
      writers.map((process, index) => change(process, creation({ merchant: `M${index}` }))),
    )
    expect(results.map(({ kind }) => kind).toSorted()).toEqual(['changed', 'refused'])
    expect(await valuesOf(scene)).toHaveLength(1)
  })

  test('one that stood still for longer than its lease displaces nothing, and its own change is made on top', async () => {
    const scene = await openScene()
    const quick = await scene.openProcess()
    await change(quick, creation())
    const { producer, reached, go } = heldProducer(scene.producer)
    const slow = await scene.openProcess({ producer })
    const late = change(slow, { kind: 'disable', reason: 'by_operator' }, 'slow')
    await reached
    // Its lease runs out.
    await scene.redis.del(`${scene.keyPrefix}{e-one}:lease`)
    expect(await change(quick, header('x-quick'), 'quick')).toMatchObject({ kind: 'changed' })
    go()
    expect(await late).toMatchObject({ kind: 'changed', endpoint: { state: 'disabled' } })

    const standing = await quick.view.find('one')
    expect(standing).toMatchObject({ state: 'disabled', target: { headers: { 'x-quick': '1' } } })
    expect(standing?.history.map(({ by }) => by)).toEqual(['test', 'quick', 'slow'])
    // Compaction keeps the last record of the key, so that has to be the one that stands.
    expect((await valuesOf(scene)).at(-1)).toEqual(standing)
  })

  test('what came too late and is refused then leaves the right record last in the log', async () => {
    const scene = await openScene()
    const quick = await scene.openProcess()
    await change(quick, creation())
    const { producer, reached, go } = heldProducer(scene.producer)
    const slow = await scene.openProcess({ producer })
    const late = change(slow, header('x-slow'), 'slow')
    await reached
    await scene.redis.del(`${scene.keyPrefix}{e-one}:lease`)
    await change(quick, { kind: 'delete' }, 'quick')
    go()
    expect(await late).toEqual({ kind: 'refused', problem: 'not_found' })
    const standing = await quick.view.find('one')
    expect(standing?.state).toBe('deleted')
    expect((await valuesOf(scene)).at(-1)).toEqual(standing)
  })

  test('one that has lost its lease before it writes does not write on what it knew then', async () => {
    const scene = await openScene()
    const quick = await scene.openProcess()
    await change(quick, creation())
    let isFirst = true
    const view = {
      partitionOf: (id: string) => quick.view.partitionOf(id),
      async find(id: string) {
        const known = await quick.view.find(id)
        if (isFirst) {
          isFirst = false
          await scene.redis.del(`${scene.keyPrefix}{e-one}:lease`)
          await change(quick, header('x-quick'), 'quick')
        }
        return known
      },
    }
    const slow = await scene.openProcess({ view })
    expect(await change(slow, { kind: 'disable', reason: 'by_operator' }, 'slow')).toMatchObject({
      kind: 'changed',
      endpoint: { state: 'disabled', target: { headers: { 'x-quick': '1' } } },
    })
    expect((await valuesOf(scene)).map((value) => value?.revision)).toEqual([1, 2, 3])
  })

  test('one whose lease somebody holds all the while hears that it is busy, and has written nothing', async () => {
    const scene = await openScene()
    const process = await scene.openProcess({ waitMs: 200 })
    await scene.redis.set(`${scene.keyPrefix}{e-one}:lease`, 'somebody else')
    expect(await change(process, creation())).toEqual({ kind: 'busy' })
    expect(await valuesOf(scene)).toEqual([])
    expect(await scene.redis.get(`${scene.keyPrefix}{e-one}:lease`)).toBe('somebody else')
  })
})

test('a change builds on what the topic holds, also when the view was lost a moment ago', async () => {
  const scene = await openScene()
  const process = await scene.openProcess()
  await change(process, creation())
  await change(process, { kind: 'verify', address: url })
  await scene.dropKeys()
  expect(await change(process, { kind: 'disable', reason: 'gone' })).toMatchObject({
    kind: 'changed',
    endpoint: { revision: 3, state: 'disabled' },
  })
})

test('a writer keeps what a later build has put into the record', async () => {
  const scene = await openScene()
  const process = await scene.openProcess()
  const later = { ...unverified(), colour: 'green', limits: { ...unverified().limits, burst: 7 } }
  await scene.write({
    key: endpointKey(later),
    partition: partitionOf(endpointMerchantKey(later), partitions),
    value: JSON.stringify(later),
  })
  await change(process, { kind: 'verify', address: url })
  expect((await valuesOf(scene)).at(-1)).toMatchObject({
    state: 'active',
    colour: 'green',
    limits: { burst: 7 },
  })
})

test('a change that the broker does not confirm is an error, and gives the lease back', async () => {
  const scene = await openScene()
  const process = await scene.openProcess({
    producer: { publish: () => Promise.reject(new Error('not confirmed')) },
  })
  await expect(change(process, creation())).rejects.toThrow('not confirmed')
  expect(await scene.redis.exists(`${scene.keyPrefix}{e-one}:lease`)).toBe(0)
  expect(await process.view.find('one')).toBeNull()
})

describe('secrets', () => {
  const of = { endpointId: 'one' }

  async function openSealed() {
    const scene = await openScene()
    const process = await scene.openProcess()
    const text = freshKey()
    const keys = readSealingKeys(writeKeysFile([{ keyId: 'k1', text }]))
    const plain = randomBytes(32)
    await change(process, creation({ secret: { secretId: 's1', sealed: keys.seal(plain, of) } }))
    return { scene, process, keys, text, plain }
  }

  test('are in clear neither in Kafka nor in Redis nor in what is logged', async () => {
    const { scene, process, plain } = await openSealed()
    const raw = (await scene.log()).map(({ value }) => value?.toString('latin1')).join('\n')
    const places = [raw, await scene.redisContent(), JSON.stringify(process.events)]
    expect(places[0]).toContain('v1.k1.')
    expect(places[1]).toContain('v1.k1.')
    for (const place of places) {
      for (const form of ['latin1', 'base64', 'base64url', 'hex'] as const) {
        expect(place.includes(plain.toString(form).replace(/=+$/, ''))).toBe(false)
      }
    }
  })

  test('that somebody has moved to another endpoint, or altered, in the topic or in Redis do not open', async () => {
    const { scene, process, keys } = await openSealed()
    const known = await process.view.find('one')
    const [secret] = known?.secrets ?? []
    if (known === null || secret === undefined) throw new Error('one with a secret')
    const moved = { ...known, endpointId: 'two' }
    const altered = {
      ...known,
      revision: 2,
      secrets: [{ ...secret, sealed: `${secret.sealed.slice(0, -2)}AA` }],
    }
    await scene.write(moved, altered)
    await process.follower.caughtUpAll()
    for (const endpointId of ['one', 'two']) {
      const found = await process.view.find(endpointId)
      const [sealed = ''] = found === null ? [] : secretsInForce(found, startMs)
      expect(() => keys.unseal(sealed, { endpointId })).toThrow(SealingTrouble)
    }
  })

  test('are sealed anew under a new key, once, and open with it alone', async () => {
    const { scene, process, text, plain } = await openSealed()
    await change(
      process,
      creation({ endpointId: 'mail', secret: null, settings: mailSettings }),
      'test',
      'mail',
    )
    const second = freshKey()
    const during = readSealingKeys(
      writeKeysFile([
        { keyId: 'k1', text, state: 'retiring' },
        { keyId: 'k2', text: second },
      ]),
    )
    const ports = { ...process, keys: during, by: 'rotation' }
    expect(await resealEndpoints(ports)).toEqual({ resealed: ['one'], busy: [] })
    expect(await resealEndpoints(ports)).toEqual({ resealed: [], busy: [] })
    const after = readSealingKeys(writeKeysFile([{ keyId: 'k2', text: second }]))
    const found = await process.view.find('one')
    const [sealed = ''] = found === null ? [] : secretsInForce(found, startMs)
    expect(after.unseal(sealed, of)).toEqual(plain)
    expect(found?.history.at(-1)).toMatchObject({ action: 'resealed', by: 'rotation' })
    expect((await valuesOf(scene)).filter((value) => value?.endpointId === 'one')).toHaveLength(2)
  })

  test('and values of headers too, also where the secrets are sealed anew already', async () => {
    const { process, keys, text } = await openSealed()
    const given = { 'x-key': 'k-1', 'x-other': 'o-1' }
    const headers = sealHeaders(given, { ...of, known: null, keys })
    const target = { type: 'webhook', url, headers } as const
    await change(process, { kind: 'update', settings: { target } })
    const second = freshKey()
    const during = readSealingKeys(
      writeKeysFile([
        { keyId: 'k1', text, state: 'retiring' },
        { keyId: 'k2', text: second },
      ]),
    )
    const found = await process.view.find('one')
    const secrets = (found?.secrets ?? []).map(({ secretId, sealed }) => ({
      secretId,
      sealed: during.seal(during.unseal(sealed, of), of),
    }))
    await change(process, { kind: 'reseal', secrets, headers: {} })
    const ports = { ...process, keys: during, by: 'rotation' }
    expect(await resealEndpoints(ports)).toEqual({ resealed: ['one'], busy: [] })
    expect(await resealEndpoints(ports)).toEqual({ resealed: [], busy: [] })
    const after = readSealingKeys(writeKeysFile([{ keyId: 'k2', text: second }]))
    const standing = await process.view.find('one')
    expect(standing && openHeaders(standing, (sealed) => after.unseal(sealed, of))).toEqual(given)
  })
})

const mailSettings = {
  ...standardSettings,
  target: { type: 'email', address: 'shop@merchant.example' },
} as const
