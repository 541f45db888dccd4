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
    latestRound: (_merchant: string): LatestRound => ({ kind: 'known', round: null }),
    asked: new Array<{ holder: string; question: Question }>(),
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
        // As the store lists it: by partition and kind, the oldest first, two at a time.
        attention: {
          async listAttention({ partition, kind, untilMs, after }) {
            const all = world.concerns
              .filter(({ registration, trigger, sinceMs }) => {
                const home = partitionOf(merchantKey(registration), partitions)
                return trigger === kind && home === partition && sinceMs < untilMs
              })
              .toSorted((left, right) => left.sinceMs - right.sinceMs)
            const from = after === null ? 0 : Number(after.key)
            const next = from + 2 < all.length ? { sinceMs: 0, key: String(from + 2) } : null
            return { entries: all.slice(from, from + 2), next }
          },
        },
        latestRound: async ({ referenceMerchantId }) => world.latestRound(referenceMerchantId),
        isConfigured: (clientId) => clientId !== 'C-off',
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
        registration: 'C1/M1/',
        outcome,
        ...nonNull(told),
      })
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
    const kept = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        world.memory.wish(registrationOf(`M${index}`), world.nowMs),
      ),
    )
    expect(new Set(kept)).toEqual(new Set(['kept']))
    expect(await world.memory.wish(registrationOf('M1000'), world.nowMs)).toBe('full')
    expect(await world.memory.wish(registrationOf('M999'), world.nowMs)).toBe('kept')
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
