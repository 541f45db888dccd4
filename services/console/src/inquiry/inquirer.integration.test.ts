import { randomUUID } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import type { Question, Reply } from './ask.ts'
import { type Concern, standardLimits } from './due.ts'
import { createInquirer, leaseMs, type RawInquiry } from './inquirer.ts'
import { createLanes } from './lanes.ts'
import type { LatestRound } from './latest-round.ts'
import { createInquiryMemory } from './memory.ts'
import { createInquiryMetrics } from './metrics.ts'

const partitions = 3
const minute = 60_000
const hour = 60 * minute
const silent = { info: () => {}, warn: () => {} }

const registrationOf = (merchant: string, clientId = 'C1'): RegistrationRef => ({
  clientId,
  referenceMerchantId: merchant,
  referenceStoreId: null,
})

function answered({ registration, round }: Question): Reply {
  return {
    kind: 'answered',
    body: Buffer.from('{}'),
    headers: {
      kind: 'inquiry',
      notificationId: randomUUID(),
      clientId: registration.clientId,
      dialect: 'ams',
      askedMerchantId: registration.referenceMerchantId,
      askedStoreId: registration.referenceStoreId,
      askedRequestId: round,
      requestUri: '/u',
      requestTime: '1700000000000',
      requestTimeMs: 1_700_000_000_000,
      signature: 's',
      keyVersion: '1',
      traceparent: null,
    },
  }
}

/** A world with its own clock, in which consoles share a real Redis. */
async function createWorld() {
  const keyPrefix = `test-${randomUUID()}:`
  const link = await openRedisLink({ url: inject('redisUrl'), variable: 'REDIS_URL', log: silent })
  onTestFinished(() => link[Symbol.asyncDispose]())
  const world = {
    nowMs: Date.UTC(2026, 4, 3, 9),
    memory: createInquiryMemory({ redis: link.redis, keyPrefix }),
    redis: link.redis,
    keyPrefix,
    concerns: new Array<Concern>(),
    reply: (question: Question): Reply => answered(question),
    append: async (): Promise<void> => undefined,
    /** Those that have an address. */
    clientIds: ['C1', 'C-away'],
    /** How many entries a page of a list has. */
    pageOf: 2,
    latestRound: (_merchant: string): LatestRound => ({ kind: 'known', round: null }),
    asked: new Array<{ holder: string; question: Question }>(),
    /** How many entries were read of the lists. */
    read: 0,
    appended: new Array<RawInquiry>(),
    log: '',
    stop: new AbortController(),
    merchantsAsked: () => world.asked.map(({ question }) => question.registration.referenceMerchantId),
    openConsole,
  }
  return world

  function openConsole(holder: string, { perMinute = 6_000 } = {}) {
    const metrics = createMetrics('console')
    const destination = new PassThrough().on('data', (chunk) => (world.log += String(chunk)))
    const now = () => world.nowMs
    const inquirer = createInquirer(
      {
        // As the store lists it: by partition and kind, the oldest first, some at a time.
        attention: {
          async listAttention({ partition, kind, untilMs, after, limit }) {
            const most = Math.min(limit, world.pageOf)
            const all = world.concerns
              .filter(({ registration, trigger, sinceMs }) => {
                const home = partitionOf(merchantKey(registration), partitions)
                return trigger === kind && home === partition && sinceMs < untilMs
              })
              .toSorted((left, right) => left.sinceMs - right.sinceMs)
            const from = after === null ? 0 : Number(after.key)
            const next = from + most < all.length ? { sinceMs: 0, key: String(from + most) } : null
            const entries = all.slice(from, from + most)
            world.read += entries.length
            return { entries, next }
          },
        },
        latestRound: async ({ referenceMerchantId }) => world.latestRound(referenceMerchantId),
        clientIds: () => world.clientIds,
        async ask(question) {
          world.asked.push({ holder, question })
          return world.reply(question)
        },
        async append(record) {
          await world.append()
          world.appended.push(record)
        },
        memory: world.memory,
        lanes: createLanes({ perMinute, now, random: () => 1 }),
        metrics: createInquiryMetrics(metrics),
        log: createLogger('console', { level: 'info', destination }),
        now,
        stop: world.stop.signal,
      },
      { holder, partitions, limits: standardLimits },
    )
    return { look: inquirer.look, metrics }
  }
}

type World = Awaited<ReturnType<typeof createWorld>>

function doubt(world: World, merchant: string, clientId?: string): void {
  const registration = registrationOf(merchant, clientId)
  world.concerns.push({ registration, trigger: 'doubtful', sinceMs: world.nowMs - 1 })
}

describe('what needs attention', () => {
  test('is asked about once, and the answer is appended under its merchant with what was asked', async () => {
    const world = await createWorld()
    doubt(world, 'M 1')
    world.latestRound = (merchant) => ({ kind: 'known', round: `R7 of ${merchant}` })
    const { look } = world.openConsole('a')
    await look()
    world.nowMs += minute
    await look()

    expect(world.appended).toMatchObject([
      {
        topic: 'registration.raw.v1',
        key: 'C1/M%201',
        partition: partitionOf('C1/M%201', partitions),
        value: Buffer.from('{}'),
        headers: { kind: 'inquiry', 'asked-merchant-id': 'M 1', 'asked-request-id': 'R7 of M 1' },
      },
    ])
  })

  test('is asked about after 1, 2, 4, 8, 16, 24, 24 hours while the doubt stays', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    const { look } = world.openConsole('a')
    const beginMs = world.nowMs
    const hours: number[] = []
    while (world.nowMs - beginMs < 80 * hour) {
      const before = world.asked.length
      await look()
      if (world.asked.length > before) hours.push(Math.round((world.nowMs - beginMs) / hour))
      world.nowMs += hour
    }
    expect(hours).toEqual([0, 1, 3, 7, 15, 31, 55, 79])
  })

  test('is found on every page of every partition, once though it is doubtful and PENDING', async () => {
    const world = await createWorld()
    const merchants = Array.from({ length: 25 }, (_, index) => `M${index}`)
    for (const merchant of merchants) {
      doubt(world, merchant)
      const registration = registrationOf(merchant)
      world.concerns.push({ registration, trigger: 'pending', sinceMs: world.nowMs - 48 * hour })
    }
    await world.openConsole('a').look()
    expect(world.merchantsAsked().toSorted()).toEqual(merchants.toSorted())
  })

  test('waits while the view is being made, for what is to be asked for is not known', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    world.latestRound = () => ({ kind: 'unknown' })
    const { look } = world.openConsole('a')
    await look()
    expect(world.asked).toEqual([])
    world.latestRound = () => ({ kind: 'known', round: 'R1' })
    world.nowMs += minute
    await look()
    expect(world.asked).toMatchObject([{ question: { round: 'R1' } }])
  })

  test('of a client without an address is left alone', async () => {
    const world = await createWorld()
    doubt(world, 'M1', 'C-off')
    doubt(world, 'M2')
    await world.openConsole('a').look()
    expect(world.merchantsAsked()).toEqual(['M2'])
  })

  test('is asked about no faster than the rate, and none is forgotten', async () => {
    const world = await createWorld()
    for (let index = 0; index < 10; index++) doubt(world, `M${index}`)
    const { look } = world.openConsole('a', { perMinute: 20 })
    const counts: number[] = []
    while (world.asked.length < 10) {
      await look()
      counts.push(world.asked.length)
      world.nowMs += 30_000
    }
    expect(counts).toEqual([2, 4, 6, 8, 10])
    expect(new Set(world.merchantsAsked()).size).toBe(10)
  })

  test('is read no further than there is leave to ask, and as fast as there is', async () => {
    const world = await createWorld()
    world.clientIds = ['C1']
    for (let index = 0; index < 300; index++) doubt(world, `M${index}`)
    const { look } = world.openConsole('a', { perMinute: 60 })
    await look()
    expect([world.asked.length, world.read]).toEqual([6, 6])
    await look()
    expect([world.asked.length, world.read]).toEqual([6, 6])
    for (let seconds = 0; seconds < 60; seconds += 2) {
      world.nowMs += 2_000
      await look()
    }
    expect(world.asked).toHaveLength(66)
    expect(new Set(world.merchantsAsked()).size).toBe(66)
    expect(world.read).toBeLessThan(200)
  })

  test('is read a part at a time, however much of it is not due', async () => {
    const world = await createWorld()
    world.pageOf = 500
    for (let index = 0; index < 5_000; index++) doubt(world, `M${index}`)
    const { look } = world.openConsole('a', { perMinute: 6_000 })
    const remembered = { atMs: world.nowMs, waitMs: hour, failed: false, coveredMs: world.nowMs }
    world.memory.asked = async (registrations) =>
      registrations.map(({ referenceMerchantId }) => (referenceMerchantId === 'M0' ? null : remembered))
    const perLook: number[] = []
    for (let turn = 0; turn < 4; turn++) {
      const before = world.read
      await look()
      perLook.push(world.read - before)
      world.nowMs += 2_000
    }
    expect(perLook).toEqual([2_000, 2_000, 1_000, 0])
    expect(world.merchantsAsked()).toEqual(['M0'])
  })

  test('of a client that has leave does not wait for one that has not', async () => {
    const world = await createWorld()
    for (let index = 0; index < 100; index++) doubt(world, `M${index}`, 'C-away')
    for (let index = 0; index < 100; index++) doubt(world, `N${index}`, 'C1')
    const { look } = world.openConsole('a', { perMinute: 60 })
    for (let seconds = 0; seconds <= 60; seconds += 2) {
      await look()
      world.nowMs += 2_000
    }
    const clients = Object.groupBy(world.asked, ({ question }) => question.registration.clientId)
    expect([clients['C1']?.length, clients['C-away']?.length]).toEqual([66, 66])
  })

  test('is asked about ever less often, though the sender signs ahead of our clock', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    // Nothing but answers is known of it, so each of them is the latest that was signed.
    world.reply = (question) => {
      const reply = answered(question)
      if (reply.kind !== 'answered') return reply
      const requestTimeMs = world.nowMs + 2_000
      for (const concern of world.concerns) concern.sinceMs = requestTimeMs
      return { ...reply, headers: { ...reply.headers, requestTimeMs } }
    }
    const { look } = world.openConsole('a')
    for (let hours = 0; hours < 30 * 24; hours++) {
      await look()
      world.nowMs += hour
    }
    expect(world.asked.length).toBeGreaterThan(30)
    expect(world.asked.length).toBeLessThan(37)
  })

  test('but is erased, is never asked about, and a wish for it comes to nothing', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    doubt(world, 'M2')
    await world.memory.wish(registrationOf('M1'), world.nowMs)
    world.latestRound = (merchant) =>
      merchant === 'M1' ? { kind: 'erased' } : { kind: 'known', round: null }
    const { look, metrics } = world.openConsole('a')
    await look()
    expect(world.merchantsAsked()).toEqual(['M2'])
    expect(await world.memory.wishes(10)).toEqual([])
    expect(await metrics.text()).toContain('{trigger="operator",outcome="erased",service="console"} 1')

    // Once something is heard of it again it is asked about at once.
    world.latestRound = () => ({ kind: 'known', round: 'R2' })
    world.nowMs += minute
    await look()
    expect(world.merchantsAsked()).toEqual(['M2', 'M1'])
  })

  test('but cannot be read, is counted and tried ever less often, and the others are asked about', async () => {
    const world = await createWorld()
    for (const merchant of ['M1', 'M2', 'M3']) doubt(world, merchant)
    await world.memory.wish(registrationOf('M2'), world.nowMs)
    let tries = 0
    world.latestRound = (merchant) => {
      if (merchant !== 'M2') return { kind: 'known', round: null }
      tries += 1
      throw new Error('the stored registration is damaged')
    }
    const { look, metrics } = world.openConsole('a')
    await look()
    expect(world.merchantsAsked().toSorted()).toEqual(['M1', 'M3'])
    expect(await metrics.text()).toContain('{trigger="operator",outcome="broken",service="console"} 1')
    expect(world.log).toContain('the stored registration is damaged')
    for (let minutes = 0; minutes < 8; minutes++) {
      await look()
      world.nowMs += minute
    }
    expect(tries).toBe(4)
  })
})

describe('an inquiry that brings nothing', () => {
  test.each([
    ['refused', { kind: 'refused', resultCode: 'RECORD_NOT_FOUND' }],
    ['forged', { kind: 'forged', forgery: 'unsigned', claim: 'INVALID_SIGNATURE' }],
    ['unreadable', { kind: 'unreadable', reason: 'wrong_type', where: 'result' }],
    ['unavailable', { kind: 'unavailable', problem: 'deadline' }],
  ] satisfies [string, Reply][])(
    'because it is %s is counted and told, and never appended',
    async (outcome, reply) => {
      const world = await createWorld()
      doubt(world, 'M1')
      world.reply = () => reply
      const { look, metrics } = world.openConsole('a')
      await look()
      expect(world.appended).toEqual([])
      expect(await metrics.text()).toContain(
        `inquiries_total{trigger="doubtful",outcome="${outcome}",service="console"} 1`,
      )
      const { kind: _, ...told } = reply
      expect(JSON.parse(world.log)).toMatchObject({
        level: 40,
        msg: 'inquiry.asked',
        clientId: 'C1',
        outcome,
        ...nonNull(told),
      })
      expect(world.log).not.toContain('M1')
    },
  )

  test('for want of an answer is made again after a minute, then two; what is refused only after an hour', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    const { look } = world.openConsole('a')
    const beginMs = world.nowMs
    const minutes: number[] = []
    world.reply = (question) => {
      minutes.push(Math.round((world.nowMs - beginMs) / minute))
      if (minutes.length <= 3) return { kind: 'unavailable', problem: 'UNKNOWN_EXCEPTION' }
      return minutes.length === 4 ? { kind: 'refused', resultCode: 'RECORD_NOT_FOUND' } : answered(question)
    }
    while (minutes.length < 5) {
      await look()
      world.nowMs += minute
    }
    expect(minutes).toEqual([0, 1, 3, 7, 67])
    expect(world.appended).toHaveLength(1)
  })

  test('pauses the client it was for, and no other', async () => {
    const world = await createWorld()
    for (let index = 0; index < 20; index++) doubt(world, `M${index}`, 'C-away')
    for (let index = 0; index < 20; index++) doubt(world, `N${index}`, 'C1')
    world.reply = (question) =>
      question.registration.clientId === 'C-away'
        ? { kind: 'unavailable', problem: 'deadline' }
        : answered(question)
    await world.openConsole('a').look()
    const clients = Object.groupBy(world.asked, ({ question }) => question.registration.clientId)
    expect(clients['C1']).toHaveLength(20)
    // Those that were under way at a time, and no further ones.
    expect(clients['C-away']?.length).toBeLessThanOrEqual(4)
  })

  test('because Kafka did not confirm it is made again soon', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    world.append = async () => {
      throw new Error('Kafka has not confirmed')
    }
    const { look, metrics } = world.openConsole('a')
    await look()
    world.append = async () => undefined
    world.nowMs += minute
    await look()
    expect(world.appended).toHaveLength(1)
    expect(await metrics.text()).toContain('outcome="not_appended",service="console"} 1')
  })
})

describe('of two consoles', () => {
  test('only one asks, until its lease ends', async () => {
    const world = await createWorld()
    const [a, b] = [world.openConsole('a'), world.openConsole('b')]
    await a.look()
    doubt(world, 'M1')
    world.nowMs += minute / 2
    await Promise.all([a.look(), b.look()])
    expect(world.asked.map(({ holder }) => holder)).toEqual(['a'])
    expect(await a.metrics.text()).toContain('inquiry_leader{service="console"} 1')
    expect(await b.metrics.text()).toContain('inquiry_leader{service="console"} 0')

    // The first stands still until Redis has dropped its lease.
    const lease = `${world.keyPrefix}{inquiry}:lease`
    expect(await world.redis.pttl(lease)).toBeGreaterThan(leaseMs - 20_000)
    await world.redis.pexpire(lease, 1)
    await expect.poll(() => world.redis.exists(lease)).toBe(0)
    doubt(world, 'M2')
    world.nowMs += hour
    await b.look()
    await a.look()
    expect(world.asked.map(({ holder }) => holder)).toEqual(['a', 'b', 'b'])
    expect(world.merchantsAsked().toSorted()).toEqual(['M1', 'M1', 'M2'])
  })

  test('one that ends leaves the other the lease at once, and takes only its own', async () => {
    const world = await createWorld()
    expect(await world.memory.lead('a', leaseMs)).toBe(true)
    expect(await world.memory.lead('b', leaseMs)).toBe(false)
    await world.memory.resign('b')
    expect(await world.memory.lead('b', leaseMs)).toBe(false)
    expect(await world.memory.lead('a', leaseMs)).toBe(true)
    await world.memory.resign('a')
    expect(await world.memory.lead('b', leaseMs)).toBe(true)
  })

  test('the one that takes over knows what was asked', async () => {
    const world = await createWorld()
    doubt(world, 'M1')
    await world.openConsole('a').look()
    await world.memory.resign('a')
    world.nowMs += minute
    await world.openConsole('b').look()
    expect(world.asked).toHaveLength(1)
  })
})

describe('a wish', () => {
  test('is fulfilled by whichever console asks, at once and once', async () => {
    const world = await createWorld()
    const [a, b] = [world.openConsole('a'), world.openConsole('b')]
    await a.look()
    // Told twice by an impatient person, to the console that does not ask.
    expect(await world.memory.wish(registrationOf('M1'), world.nowMs)).toBe('kept')
    expect(await world.memory.wish(registrationOf('M1'), world.nowMs)).toBe('kept')
    world.nowMs += 2_000
    await b.look()
    await a.look()
    await a.look()
    expect(world.asked.map(({ holder }) => holder)).toEqual(['a'])
    expect(await a.metrics.text()).toContain(
      'inquiries_total{trigger="operator",outcome="answered",service="console"} 1',
    )
  })

  test('waits while Alipay+ cannot answer, and is given up after a day', async () => {
    const world = await createWorld()
    world.reply = () => ({ kind: 'unavailable', problem: 'deadline' })
    await world.memory.wish(registrationOf('M1'), world.nowMs)
    const { look } = world.openConsole('a')
    await look()
    expect(await world.memory.wishes(10)).toHaveLength(1)
    for (let passed = 0; passed < 60; passed++) {
      world.nowMs += hour
      await look()
    }
    expect(await world.memory.wishes(10)).toEqual([])
  })

  test('too many are refused, but one that waits already is not', async () => {
    const world = await createWorld()
    const wish = (merchant: string, clientId: string) =>
      world.memory.wish(registrationOf(merchant, clientId), world.nowMs)
    const wishAll = (clientId: string) =>
      Promise.all(Array.from({ length: 100 }, (_, index) => wish(`M${index}`, clientId)))
    expect(new Set(await wishAll('C1'))).toEqual(new Set(['kept']))
    // Of one client a hundred wait: it keeps out nobody else, whatever the others are called.
    expect(await wish('M100', 'C1')).toBe('full')
    expect(await wish('M99', 'C1')).toBe('kept')
    for (const clientId of ['C', 'C11', 'C1"', 'C1","M', 'c4', 'c5', 'c6', 'c7']) {
      expect(new Set(await wishAll(clientId))).toEqual(new Set(['kept']))
    }
    expect(new Set(await wishAll('c8'))).toEqual(new Set(['kept']))
    expect(await wish('M1', 'c9')).toBe('full')
    expect(await wish('M1', 'c8')).toBe('kept')
  })

  test('is fulfilled before the rest of what is due', async () => {
    const world = await createWorld()
    world.pageOf = 500
    for (let index = 0; index < 400; index++) doubt(world, `M${index}`)
    world.reply = (question) => {
      if (world.asked.length === 1) wished = world.memory.wish(registrationOf('WISH'), world.nowMs)
      return answered(question)
    }
    let wished: Promise<unknown> = Promise.resolve()
    await world.openConsole('a').look()
    await wished
    expect(world.asked).toHaveLength(401)
    expect(world.merchantsAsked().indexOf('WISH')).toBeLessThanOrEqual(24)
  })

  test('for a client that is paused does not cost a look into memory', async () => {
    const world = await createWorld()
    world.reply = () => ({ kind: 'unavailable', problem: 'deadline' })
    await world.memory.wish(registrationOf('M1'), world.nowMs)
    const { look } = world.openConsole('a')
    await look()
    world.memory.asked = (registrations) => {
      expect(registrations).toEqual([])
      return Promise.resolve([])
    }
    await look()
    expect(world.asked).toHaveLength(1)
  })
})

test('one that is told to stop asks nothing more, and remembers nothing of what was cut off', async () => {
  const world = await createWorld()
  doubt(world, 'M1')
  doubt(world, 'M2')
  world.reply = () => {
    world.stop.abort()
    return { kind: 'unavailable', problem: 'AbortError' }
  }
  await world.openConsole('a').look()
  expect(await world.memory.asked([registrationOf('M1'), registrationOf('M2')])).toEqual([null, null])
})

test('what was asked is forgotten by Redis in time', async () => {
  const world = await createWorld()
  doubt(world, 'M1')
  await world.openConsole('a').look()
  const [key] = await world.redis.keys(`${world.keyPrefix}{inquiry}:asked:*`)
  expect(await world.redis.pttl(key ?? '')).toBeLessThanOrEqual(25 * hour)
  expect(await world.redis.pttl(key ?? '')).toBeGreaterThan(24 * hour)
})

function nonNull(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}
