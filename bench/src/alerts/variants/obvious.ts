import { registrationChange } from '@signalbox/contracts/registration-change'
import { Queue, Worker } from 'bullmq'
import kafkajs, { type EachMessagePayload } from 'kafkajs'
import { alertIdOf, plainBodyOf } from '../changes.ts'
import { createPoster } from './post-webhook.ts'
import { obviousSettings, type WebhookJob, workerSettings } from './settings.ts'
import { tellReady } from './tell-ready.ts'

// What a competent developer writes first: one change at a time, one `add` per alert with the body in the job, retries by
// BullMQ, and kafkajs commits by itself after each batch that it fetched. Nothing says that an alert is owed or settled:
// a Redis that loses something loses alerts, and a job that runs twice alerts twice. It is compared for what it costs,
// not for what it promises.
const settings = obviousSettings.parse(JSON.parse(process.argv[2] ?? '{}'))
const connection = { url: settings.redisUrl, maxRetriesPerRequest: null }
const post = createPoster(settings)
const merchants = new Set(settings.merchants)

const queue = new Queue<WebhookJob>(settings.queue, {
  connection,
  defaultJobOptions: { attempts: 8, backoff: { type: 'exponential', delay: 5_000 } },
})
const worker = new Worker<WebhookJob>(settings.queue, ({ data }) => post(data), {
  connection,
  concurrency: settings.concurrency,
  ...workerSettings,
})
queue.on('error', ({ message }) => process.stderr.write(`${message}\n`))
worker.on('error', ({ message }) => process.stderr.write(`${message}\n`))

const kafka = new kafkajs.Kafka({
  clientId: 'obvious',
  brokers: settings.brokers,
  logLevel: kafkajs.logLevel.ERROR,
})
const consumer = kafka.consumer({ groupId: settings.groupId })
await consumer.connect()
await consumer.subscribe({ topics: [settings.topic], fromBeginning: true })
await consumer.run({ eachMessage: fanOut })
tellReady('delivering')

async function fanOut({ message }: EachMessagePayload): Promise<void> {
  const change = registrationChange.parse(JSON.parse(String(message.value)))
  const endpoint = change.registration.referenceMerchantId
  if (!merchants.has(endpoint)) return
  const id = alertIdOf(change, endpoint)
  const body = plainBodyOf(change, { timestamp: String(message.headers?.['ce_time']) })
  await queue.add('alert', { id, endpoint, body }, { jobId: id })
}
