import { createHash } from 'node:crypto'
import { registrationKey } from '@signalbox/contracts/keys'
import { encodeChange } from '@signalbox/contracts/registration-change'
import { encodeState } from '@signalbox/contracts/registration-state'
import { Redis } from 'ioredis'
import kafkajs, { type EachMessagePayload } from 'kafkajs'
import { z } from 'zod'
import { obviousSettings } from './obvious-settings.ts'

// What a competent developer writes first: one record at a time, a key with a time to live against duplicates, the
// state as JSON in a hash, one `send` per output record, and kafkajs commits by itself after each batch that it
// fetched. The last arrival wins, and a crash between the key and the hash loses a notification: it is compared for
// what it costs, not for what it promises.
const settings = obviousSettings.parse(JSON.parse(process.argv[2] ?? '{}'))
const kafka = new kafkajs.Kafka({
  clientId: 'obvious',
  brokers: settings.brokers,
  logLevel: kafkajs.logLevel.ERROR,
})
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
const consumer = kafka.consumer({ groupId: settings.groupId })
const redis = new Redis(settings.redisUrl)

const seenForSeconds = 24 * 60 * 60

const status = z.object({ registrationStatus: z.string(), rejectionReason: z.string().optional() })
const notification = z.object({
  referenceMerchantId: z.string(),
  referenceStoreId: z.string(),
  registrationResult: status,
  pspRegistrationResultList: z.array(
    z.object({ pspName: z.string(), productCodes: z.array(z.string()), registrationResult: status }),
  ),
})
const stored = z.object({
  version: z.number(),
  collectiveStatus: z.string(),
  entries: z.array(
    z.object({
      pspName: z.string(),
      productCode: z.string(),
      status: z.string(),
      rejectionReason: z.string().nullable(),
    }),
  ),
})

await producer.connect()
await consumer.connect()
await consumer.subscribe({ topics: [settings.topics.raw], fromBeginning: true })
await consumer.run({ eachMessage: apply })
process.stdout.write(`${JSON.stringify({ msg: 'bench.consuming' })}\n`)

async function apply({ topic, partition, message }: EachMessagePayload): Promise<void> {
  const value = message.value ?? Buffer.alloc(0)
  const header = (name: string) => String(message.headers?.[name] ?? '')
  const digest = createHash('sha256').update(value).digest('base64url')
  const isNew = await redis.set(settings.seen + digest, '1', 'EX', seenForSeconds, 'NX')
  if (isNew === null) return

  const body = notification.parse(JSON.parse(value.toString()))
  const { referenceMerchantId, referenceStoreId } = body
  const registration = { clientId: header('client-id'), referenceMerchantId, referenceStoreId }
  const key = registrationKey(registration)
  const known = await redis.hget(settings.registrations, key)
  const before = known === null ? null : stored.parse(JSON.parse(known))

  const version = (before?.version ?? 0) + 1
  const collectiveStatus = body.registrationResult.registrationStatus
  const entries = body.pspRegistrationResultList.flatMap(({ pspName, productCodes, registrationResult }) =>
    productCodes.map((productCode) => ({
      pspName,
      productCode,
      status: registrationResult.registrationStatus,
      rejectionReason: registrationResult.rejectionReason ?? null,
    })),
  )
  await redis.hset(settings.registrations, key, JSON.stringify({ version, collectiveStatus, entries }))

  const cause = {
    notificationId: header('notification-id'),
    requestTime: header('request-time'),
    raw: { topic, partition, offset: message.offset },
  }
  const event = { timeMs: Number(message.timestamp), traceparent: null }
  const shared = { registration, version, collectiveStatus, flags: [], cause }
  const previousCollectiveStatus = before?.collectiveStatus ?? null
  const changed = entries.map((entry) => ({ ...entry, previousStatus: previousStatusOf(before, entry) }))
  const change = encodeChange({ ...shared, previousCollectiveStatus, entries: changed }, event)
  await producer.send({ topic: settings.topics.changes, acks: -1, messages: [change] })
  const rebuild = { rev: message.offset }
  const state = encodeState({ ...shared, entries, rebuild }, event, { kept: '', attention: null })
  await producer.send({ topic: settings.topics.state, acks: -1, messages: [state] })
}

type Entry = { pspName: string; productCode: string }

function previousStatusOf(
  before: z.infer<typeof stored> | null,
  { pspName, productCode }: Entry,
): string | null {
  const entry = before?.entries.find(
    (other) => other.pspName === pspName && other.productCode === productCode,
  )
  return entry?.status ?? null
}
