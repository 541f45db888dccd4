import { Queue, Worker } from 'bullmq'
import { createPoster } from './post-webhook.ts'
import { bullmqSettings, type WebhookJob, workerSettings } from './settings.ts'
import { tellReady } from './tell-ready.ts'

// What BullMQ costs by itself: jobs are added, in bulk and as fast as they are taken, and each is posted. They hold the
// body, and nothing else is kept.
const {
  alerts,
  merchants,
  body,
  concurrency,
  redisUrl,
  queue: name,
  ...target
} = bullmqSettings.parse(JSON.parse(process.argv[2] ?? '{}'))
const addedAtOnce = 250
const mostWaiting = 2_000
const connection = { url: redisUrl, maxRetriesPerRequest: null }
const post = createPoster(target)
let delivered = 0
let room = Promise.withResolvers<void>()

const queue = new Queue<WebhookJob>(name, { connection })
const worker = new Worker<WebhookJob>(name, deliver, { connection, concurrency, ...workerSettings })
queue.on('error', ({ message }) => process.stderr.write(`${message}\n`))
worker.on('error', ({ message }) => process.stderr.write(`${message}\n`))
await worker.waitUntilReady()
tellReady('delivering')

for (let added = 0; added < alerts; added += addedAtOnce) {
  while (added - delivered > mostWaiting) await room.promise
  const count = Math.min(addedAtOnce, alerts - added)
  await queue.addBulk(Array.from({ length: count }, (_, index) => jobOf(added + index)))
}

async function deliver({ data }: { data: WebhookJob }): Promise<void> {
  await post(data)
  delivered += 1
  room.resolve()
  room = Promise.withResolvers()
}

function jobOf(n: number) {
  const id = `bullmq-${String(n).padStart(17, '0')}`
  const endpoint = merchants[n % merchants.length] ?? ''
  return { name: 'alert', data: { id, endpoint, body }, opts: { jobId: id } }
}
