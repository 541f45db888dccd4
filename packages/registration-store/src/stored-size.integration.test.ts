import { randomUUID } from 'node:crypto'
import { fold } from '@signalbox/registration/fold'
import { observe } from '@signalbox/registration/observation'
import { emptyRegistration } from '@signalbox/registration/registration'
import { Redis } from 'ioredis'
import { expect, inject, onTestFinished, test } from 'vitest'
import { type NamedRegistration, openRegistrationStore } from './registration-store.ts'

const partition = 3
const clientId = 'SANDBOX_5X00000000000000'
const pspNames = ['ALIPAY_CN', 'GCASH', 'KAKAOPAY', 'TNG', 'RABBIT_LINE_PAY', 'TRUEMONEY', 'DANA']
const hourMs = 3_600_000
const startMs = Date.UTC(2026, 2, 1)

/** A version 7 UUID of that time, as an ingress names a notification. */
function uuidAt(timeMs: number, index: number): string {
  const time = timeMs.toString(16).padStart(12, '0')
  const random = (BigInt(index) * 0x9e3779b97f4a7c15n).toString(16).padStart(18, '0').slice(-18)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-b${random.slice(3, 6)}-${random.slice(6)}`
}

/** Three MPPs in one round, all of which have answered one by one: COMPLETED. Every fourth has a rejection. */
function completed(index: number): NamedRegistration {
  const referenceMerchantId = `21881200001${String(index).padStart(5, '0')}`
  const signedMs = startMs + index * 37_123
  const names = [0, 1, 2].map((offset) => pspNames[(index + 2 * offset) % pspNames.length] ?? '')
  let registration = emptyRegistration
  let lastMs = signedMs
  for (const answered of [0, 1, 2, 3]) {
    lastMs = signedMs + answered * 5 * hourMs + index
    const observed = observe({
      clientId,
      dialect: 'alipayplus',
      push: false,
      referenceMerchantId,
      referenceStoreId: null,
      registrationRequestId: `20260301181105860200000600${String(index).padStart(5, '0')}`,
      requestTimeMs: lastMs,
      appendTimeMs: lastMs,
      collectiveStatus: answered === 3 ? 'COMPLETED' : 'PENDING',
      items: names.map((pspName, place) => {
        const isRejected = place === 1 && index % 4 === 0
        if (place >= answered) return item(pspName, 'PENDING', null)
        return isRejected
          ? item(pspName, 'REJECTED', 'Photo of the storefront is blurred')
          : item(pspName, 'APPROVED', null)
      }),
    })
    if (observed.kind === 'quarantine') throw new Error(observed.reason)
    const decision = fold(registration, observed.statement)
    if (!('next' in decision) || decision.next === null) throw new Error(decision.outcome)
    registration = decision.next
  }
  const appendTimeMs = lastMs + 850
  return {
    registration: { clientId, referenceMerchantId, referenceStoreId: null },
    stored: {
      registration,
      rev: String(40_000_000 + index * 4),
      cause: {
        notificationId: uuidAt(appendTimeMs - 3, index),
        requestTime: new Date(lastMs + 8 * hourMs).toISOString().replace('Z', '+08:00'),
        offset: String(40_000_000 + index * 4),
        appendTimeMs,
      },
    },
  }
}

const item = (pspName: string, status: string, rejectionReason: string | null) => ({
  pspName,
  status,
  rejectionReason,
  productCodes: ['IN_STORE_PAYMENT'],
})

test('a registration with three MPPs in one round, completed, takes at most 400 bytes of Redis', async () => {
  const redisUrl = inject('redisUrl')
  const keyPrefix = `test-${randomUUID().slice(0, 3)}:`
  const store = await openRegistrationStore({ url: redisUrl, keyPrefix, log: { info() {}, warn() {} } })
  const redis = new Redis(redisUrl)
  onTestFinished(async () => {
    redis.disconnect()
    await store[Symbol.asyncDispose]()
  })
  const count = 20_000
  const batch = 500
  const before = await usedMemory(redis)
  let expected: string | null = null
  for (let from = 0; from < count; from += batch) {
    const registrations = Array.from({ length: batch }, (_, index) => completed(from + index))
    const next = `w${from}`
    const nothing = { removed: [], attention: [], counted: null }
    await store.save({ partition, expected, next, registrations, ...nothing })
    expected = next
  }
  const used = ((await usedMemory(redis)) - before) / count

  let told = 0
  for (let index = 0; index < count; index += 50) {
    const key = `${keyPrefix}{p3}:m:${clientId}/${completed(index).registration.referenceMerchantId}`
    expect(await redis.object('ENCODING', key)).toBe('listpack')
    told += Number(await redis.memory('USAGE', key))
  }
  told /= count / 50
  process.stdout.write(`bytes per registration: ${told} by MEMORY USAGE, ${used} of used_memory\n`)
  expect(told).toBeLessThanOrEqual(400)
  // Tables of a growing database are not exact to the byte, and others use this Redis too.
  expect(used).toBeLessThanOrEqual(440)
})

async function usedMemory(redis: Redis): Promise<number> {
  const info = await redis.info('memory')
  return Number(/used_memory:(\d+)/.exec(info)?.[1])
}
