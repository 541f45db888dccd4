import { endpointKey, endpointMerchantKey } from '@signalbox/contracts/endpoint-record'
import { partitionOf } from '@signalbox/kafka/partition'
import { describe, expect, test } from 'vitest'
import { changedBy, creation, unverified } from './endpoint.fixture.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointsNotSeen, everyEndpoint, type Merchant } from './endpoint-view.ts'
import { openScene, partitions } from './endpoints-scene.fixture.ts'
import { formatSeen, parseSeen } from './endpoints-seen.ts'

const waiting = { timeout: 30_000, interval: 50 }

const endpoint = (differs: { endpointId?: string; clientId?: string; merchant?: string } = {}) =>
  changedBy(null, creation(differs))
const atRevision = (revision: number, differs: Partial<Endpoint> = {}): Endpoint => ({
  ...unverified(),
  revision,
  ...differs,
})
const partitionOfKey = (of: Endpoint) => partitionOf(endpointMerchantKey(of), partitions)

const idsOf = (found: ReadonlyMap<string, readonly Endpoint[]>, key: string) =>
  found.get(key)?.map(({ endpointId }) => endpointId)

test('a merchant’s endpoints are its own and those of the whole client, never another client’s', async () => {
  const { write, openProcess } = await openScene()
  await write(
    endpoint(),
    endpoint({ endpointId: 'two', merchant: 'M2' }),
    endpoint({ endpointId: 'all', merchant: '*' }),
    endpoint({ endpointId: 'other', clientId: 'other client', merchant: '*' }),
  )
  const { view, follower } = await openProcess()
  await follower.caughtUpAll()
  const merchants: Merchant[] = [
    { clientId: 'client', referenceMerchantId: 'M1' },
    { clientId: 'client', referenceMerchantId: 'M3' },
    { clientId: 'third client', referenceMerchantId: 'M1' },
    { clientId: 'other client', referenceMerchantId: 'ü/*' },
    // A merchant that calls itself like the wildcard is not one.
    { clientId: 'client', referenceMerchantId: '%2A' },
    { clientId: 'client', referenceMerchantId: '*' },
  ]
  const found = await view.ofMerchants(merchants)
  expect(idsOf(found, 'client/M1')).toEqual(['one', 'all'])
  expect(idsOf(found, 'client/M3')).toEqual(['all'])
  expect(idsOf(found, 'third%20client/M1')).toEqual([])
  expect(idsOf(found, 'other%20client/%C3%BC%2F%2A')).toEqual(['other'])
  expect(idsOf(found, 'client/%252A')).toEqual(['all'])
  expect(idsOf(found, 'client/%2A')).toEqual(['all'])
  expect(await view.ofMerchants([])).toEqual(new Map())
})

test('one is found by its id alone, and null means that there never was one', async () => {
  const { write, openProcess } = await openScene()
  await write(endpoint({ endpointId: 'two', merchant: 'M2' }))
  const { view, follower } = await openProcess()
  await follower.caughtUpAll()
  expect(await view.find('two')).toEqual(endpoint({ endpointId: 'two', merchant: 'M2' }))
  expect(await view.find('one')).toBeNull()
})

describe('revisions', () => {
  test('an older record never displaces a newer one, and of two equal ones the later stands', async () => {
    const { write, openProcess } = await openScene()
    const { view, follower } = await openProcess()
    const write7 = atRevision(7, { audience: 'operator' })
    await write(atRevision(5), write7, atRevision(6))
    await follower.caughtUpAll()
    expect(await view.find('one')).toEqual(write7)
    await write(atRevision(6), atRevision(7, { skipsSuperseded: true }))
    await follower.caughtUpAll()
    expect(await view.find('one')).toEqual(atRevision(7, { skipsSuperseded: true }))
    await write(atRevision(10), atRevision(9))
    await follower.caughtUpAll()
    expect((await view.find('one'))?.revision).toBe(10)
  })

  test('are compared by number, also across the digits that Lua and JSON have', async () => {
    const { write, openProcess } = await openScene()
    const { view, follower } = await openProcess()
    await write(atRevision(9_007_199_254_740_990), atRevision(9_007_199_254_740_989))
    await follower.caughtUpAll()
    expect((await view.find('one'))?.revision).toBe(9_007_199_254_740_990)
  })
})

test('one that is taken out of the topic leaves the view, and may begin anew', async () => {
  const { write, openProcess, redisContent } = await openScene()
  const { view, follower } = await openProcess()
  const tombstone = { key: endpointKey(unverified()), partition: partitionOfKey(unverified()), value: null }
  await write(atRevision(7))
  await follower.caughtUpAll()
  await write(tombstone)
  await follower.caughtUpAll()
  expect(await view.find('one')).toBeNull()
  expect((await view.list({ limit: 10 })).endpoints).toEqual([])
  expect(await redisContent()).not.toContain('"revision"')
  await write(atRevision(1))
  await follower.caughtUpAll()
  expect((await view.find('one'))?.revision).toBe(1)
})

test('what is in the topic and is no endpoint’s record is left out and told, and holds up nothing', async () => {
  const scene = await openScene()
  const { write, openProcess } = scene
  const { view, follower, events } = await openProcess()
  const partition = partitionOfKey(unverified())
  const text = JSON.stringify(unverified())
  await write(
    { key: 'client/M1/one', partition, value: 'no JSON' },
    { key: 'client/M1', partition, value: text },
    { key: 'client/M1/two', partition, value: text },
    { key: 'client/M1/one', partition, value: '{"endpointId":"one","clientId":"client","merchant":"M1"}' },
    endpoint({ endpointId: 'three' }),
  )
  await follower.caughtUpAll()
  expect(
    idsOf(await view.ofMerchants([{ clientId: 'client', referenceMerchantId: 'M1' }]), 'client/M1'),
  ).toEqual(['three'])
  const told = events.filter(({ event }) => event === 'endpoints.unreadable_record')
  const { topic } = scene
  expect(told.map(({ fields }) => fields)).toEqual(
    ['0', '1', '2', '3'].map((offset) => ({ topic, partition, offset })),
  )
})

describe('what a later build wrote', () => {
  test('with members more than ours is read, and they stay in the view', async () => {
    const { write, openProcess, redisContent } = await openScene()
    const { view, follower } = await openProcess()
    const later = { ...unverified(), colour: 'green' }
    await write({
      key: endpointKey(later),
      partition: partitionOfKey(later),
      value: JSON.stringify(later),
    })
    await follower.caughtUpAll()
    expect(await view.find('one')).toEqual(later)
    expect(await redisContent()).toContain('green')
  })

  test('and we cannot read stays in the view for that build, and nothing is done as if it were not there', async () => {
    const { write, openProcess, redisContent } = await openScene()
    const { view, follower } = await openProcess()
    const later = { ...unverified(), target: { type: 'telegram', chat: 7 } }
    await write({
      key: endpointKey(unverified()),
      partition: partitionOfKey(unverified()),
      value: JSON.stringify(later),
    })
    await follower.caughtUpAll()
    expect(await redisContent()).toContain('telegram')
    await expect(view.find('one')).rejects.toThrow('later version')
    const merchant = { clientId: 'client', referenceMerchantId: 'M1' }
    await expect(view.ofMerchants([merchant])).rejects.toThrow('later version')
  })
})

describe('a view that is lost', () => {
  const merchant = { clientId: 'client', referenceMerchantId: 'M1' }

  test('says so instead of knowing no endpoints, and is read again from the start of the topic', async () => {
    const { write, openProcess, dropKeys } = await openScene()
    const { view, follower } = await openProcess()
    await write(endpoint(), endpoint({ endpointId: 'all', merchant: '*' }))
    await follower.caughtUpAll()
    expect(await dropKeys()).toBeGreaterThan(0)

    await expect(view.find('one')).rejects.toThrow(EndpointsNotSeen)
    await expect(view.find('unknown')).rejects.toThrow(EndpointsNotSeen)
    await expect(view.ofMerchants([merchant])).rejects.toThrow(EndpointsNotSeen)
    await expect(view.list({ limit: 10 })).rejects.toThrow(EndpointsNotSeen)

    await follower.caughtUpAll()
    expect(idsOf(await view.ofMerchants([merchant]), 'client/M1')).toEqual(['one', 'all'])
    expect(await view.find('unknown')).toBeNull()
  })

  test('comes back by itself', async () => {
    const { write, openProcess, dropKeys } = await openScene()
    const { view, follower } = await openProcess({ followerEveryMs: 50 })
    await write(endpoint())
    await follower.caughtUpAll()
    await dropKeys()
    await expect.poll(() => view.find('one').catch(() => null), waiting).toEqual(endpoint())
    await expect.poll(() => follower.state(), waiting).toMatchObject({ ok: true })
  })

  test('is not taken for whole while it is being read', async () => {
    const { topic, openProcess } = await openScene()
    const { view } = await openProcess()
    const partition = partitionOf('client/M1', partitions)
    const half = formatSeen({ clusterId: 'c', topic, partition, next: 1n, isWhole: false })
    await expect.poll(() => view.watermark(partition), waiting).not.toBeNull()
    const watermark = await view.watermark(partition)
    expect(await view.apply({ partition, watermark, next: half, records: [] })).toBe(true)
    await expect(view.ofMerchants([merchant])).rejects.toThrow(EndpointsNotSeen)
  })
})

describe('a view of another log', () => {
  test('is dropped and read anew, with all that only the other log knew', async () => {
    const { write, openProcess, redisContent } = await openScene()
    const before = await openProcess({ followedCluster: 'another cluster' })
    await write(endpoint())
    await before.follower.caughtUpAll()
    const phantom = endpoint({ endpointId: 'phantom' })
    const partition = partitionOfKey(phantom)
    const watermark = await before.view.watermark(partition)
    const record = { revision: 1, text: JSON.stringify(phantom) }
    const records = [{ key: endpointKey(phantom), record }]
    expect(await before.view.apply({ partition, watermark, next: watermark ?? '', records })).toBe(true)
    expect(await redisContent()).toContain('"endpointId":"phantom"')
    await before.follower[Symbol.asyncDispose]()

    const { view, follower } = await openProcess()
    await follower.caughtUpAll()
    expect(await view.find('one')).toEqual(endpoint())
    expect(await view.find('phantom')).toBeNull()
  })

  test('that is shorter than what was read is believed only when it stays so', async () => {
    const { write, openProcess } = await openScene()
    await write(endpoint())
    const patient = await openProcess()
    await patient.follower.caughtUpAll()
    const partition = partitionOf('client/M1', partitions)
    const watermark = await patient.view.watermark(partition)
    const seen = parseSeen(watermark ?? '')
    if (seen === null) throw new Error('it was read')
    const beyond = formatSeen({ ...seen, next: 900n })
    expect(await patient.view.apply({ partition, watermark, next: beyond, records: [] })).toBe(true)

    await expect(patient.follower.caughtUp(partition)).rejects.toThrow('ends at 1, and was read up to 900')
    expect(await patient.view.find('one')).toEqual(endpoint())
    const { view, follower, events } = await openProcess({ believesShorterLogAfterMs: 0 })
    await follower.caughtUp(partition)
    expect(events.map(({ event }) => event)).toContain('endpoints.view_of_another_log')
    expect(parseSeen((await view.watermark(partition)) ?? '')).toEqual({ ...seen, next: 1n })
    expect(await view.find('one')).toEqual(endpoint())
  })
})

test('a watermark moves only from the one that stands, with its records or without any', async () => {
  const { openProcess } = await openScene()
  const { view, follower } = await openProcess()
  await follower.caughtUpAll()
  const partition = partitionOf('client/M1', partitions)
  const record = { revision: 1, text: JSON.stringify(endpoint()) }
  const records = [{ key: endpointKey(endpoint()), record }]
  expect(await view.apply({ partition, watermark: null, next: 'x', records })).toBe(false)
  expect(await view.clear({ partition, watermark: 'x' })).toBe(false)
  expect(await view.find('one')).toBeNull()
})

test('several processes follow the same topic, and each sees all of it when it asks', async () => {
  const { write, openProcess } = await openScene()
  const processes = [await openProcess(), await openProcess(), await openProcess()]
  const many = Array.from({ length: 60 }, (_, index) =>
    endpoint({ endpointId: `e${index}`, merchant: `M${index % 7}` }),
  )
  for (const [index, one] of many.entries()) {
    await write(one)
    await Promise.all(processes.map(({ follower }) => follower.caughtUp(partitionOfKey(one))))
    expect(await processes[index % 3]?.view.find(one.endpointId)).toEqual(one)
  }
})

test('a list tells each that is not deleted once, page by page, of one client or of all', async () => {
  const { write, openProcess } = await openScene()
  const { view, follower } = await openProcess()
  const many = Array.from({ length: 40 }, (_, index) =>
    endpoint({
      endpointId: `e${index}`,
      merchant: index % 3 === 0 ? '*' : `M${index}`,
      clientId: ['a', 'a-b', 'a b', 'aa'][index % 4] ?? '',
    }),
  )
  const gone = changedBy(endpoint({ endpointId: 'gone', clientId: 'a' }), { kind: 'delete' })
  await write(...many, gone)
  await follower.caughtUpAll()

  const found: string[] = []
  let cursor: string | undefined
  do {
    const page = await view.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) })
    expect(page.endpoints.length).toBeLessThanOrEqual(3)
    found.push(...page.endpoints.map(({ endpointId }) => endpointId))
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  expect(found.toSorted()).toEqual(many.map(({ endpointId }) => endpointId).toSorted())

  const ofA: string[] = []
  for await (const { clientId } of everyEndpoint({ list: (page) => view.list({ ...page, clientId: 'a' }) })) {
    ofA.push(clientId)
  }
  expect(ofA).toEqual(Array.from({ length: 10 }, () => 'a'))
  expect((await view.list({ clientId: 'nobody', limit: 5 })).endpoints).toEqual([])
})
