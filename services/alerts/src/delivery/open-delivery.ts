import type { KafkaConfig } from '@signalbox/kafka/config'
import type { Producer } from '@signalbox/kafka/producer'
import type { Logger } from '@signalbox/runtime/log'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { openDeliveryWorker } from '../adapters/delivery-worker.ts'
import { createKafkaReceipts } from '../adapters/kafka-receipts.ts'
import { openWebhookSender } from '../attempt/send-webhook.ts'
import { createTroubledEndpoints } from '../attempt/troubled-endpoints.ts'
import type { EndpointDirectory } from '../endpoints/endpoint-directory.ts'
import { createDeliver, type DeliveryReport } from './delivery.ts'
import { createSweep, openSweeper, type SweepPorts } from './sweeper.ts'

export type Delivery = AsyncDisposable & {
  /** Whether jobs are being taken, for the readiness of the process. */
  state: () => { ok: boolean; detail: string }
}

export type DeliverySettings = {
  concurrency: number
  /** How long a call to an endpoint may take. */
  timeoutMs: number
  /** Pauses between the attempts of an alert. */
  backoffMs: readonly number[]
  sweep?: { everyMs: number; olderThanMs: number }
}

const standardSweep = { everyMs: 15_000, olderThanMs: 60_000 }
const maxPerSweep = 500

/** Delivers what is in the queue, and sees to it that everything owed is in the queue. Ends when `stop` aborts. */
export function openDelivery(options: {
  redis: { url: string; keyPrefix: string }
  book: AlertBook
  queue: AlertQueue
  producer: Pick<Producer, 'publish'>
  receiptsTopic: string
  kafka: Pick<KafkaConfig, 'partitions'>
  endpoints: EndpointDirectory
  settings: DeliverySettings
  stop: AbortSignal
  log: Logger
  report: DeliveryReport & SweepPorts['report']
}): Delivery {
  const { book, queue, endpoints, settings, stop, log, report } = options
  const { partitions } = options.kafka
  const { everyMs, olderThanMs } = settings.sweep ?? standardSweep
  const opened = new AsyncDisposableStack()

  const sender = opened.use(openWebhookSender(settings))
  const receipts = createKafkaReceipts({
    producer: options.producer,
    topic: options.receiptsTopic,
    partitions,
  })
  const deliver = createDeliver(
    { book, receipts, endpoints, troubled: createTroubledEndpoints(), send: sender.send, report },
    { backoffMs: settings.backoffMs, stop },
  )
  const worker = opened.use(
    openDeliveryWorker({ redis: options.redis, concurrency: settings.concurrency, deliver, stop, log }),
  )
  const sweep = createSweep({ book, queue, report }, { partitions, olderThanMs, maxPerSweep })
  opened.use(openSweeper({ sweep, everyMs, log }))

  return { state: worker.state, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
