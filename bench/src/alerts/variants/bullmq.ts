import { Worker } from 'bullmq'
import { createPoster } from './post-webhook.ts'
import { bullmqSettings, type WebhookJob, workerSettings } from './settings.ts'
import { tellReady } from './tell-ready.ts'

// What BullMQ costs by itself: the queue was filled before, each job holds its body, and nothing else is kept.
const { concurrency, redisUrl, queue, ...target } = bullmqSettings.parse(JSON.parse(process.argv[2] ?? '{}'))
const post = createPoster(target)
const worker = new Worker<WebhookJob>(queue, ({ data }) => post(data), {
  connection: { url: redisUrl, maxRetriesPerRequest: null },
  concurrency,
  ...workerSettings,
})
worker.on('error', ({ message }) => process.stderr.write(`${message}\n`))
await worker.waitUntilReady()
tellReady('delivering')
