import type { EndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import { changeEndpoint } from '@signalbox/alert-endpoints/endpoint'
import { createHealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import type { EndpointView } from '@signalbox/alert-endpoints/endpoint-view'
import { createReplayBodies } from '@signalbox/alert-endpoints/replay-bodies'
import type { SealingKeys } from '@signalbox/alert-endpoints/sealing'
import type { KafkaConfig } from '@signalbox/kafka/config'
import type { Producer } from '@signalbox/kafka/producer'
import type { Logger } from '@signalbox/runtime/log'
import type { AddressGuard } from '@signalbox/webhook-sender/address-guard'
import { openWebhookSender } from '@signalbox/webhook-sender/send-webhook'
import type { SigningKey } from '@signalbox/webhook-sender/webhook-headers'
import type { Redis } from 'ioredis'
import type { AlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import { type Locks, openDeliveryWorker } from '../adapters/delivery-worker.ts'
import { createKafkaReceipts } from '../adapters/kafka-receipts.ts'
import { createLanes } from '../adapters/lanes.ts'
import type { MailSender } from '../email/mail-sender.ts'
import { createDeliverBatch } from './deliver-batch.ts'
import { createDeliver, type DeliveryPorts, type DeliveryReport } from './delivery.ts'
import { type CallReport, type CallRules, createEndpointCalls } from './endpoint-calls.ts'
import { type ChangeEndpoint, createEndpointFate } from './endpoint-fate.ts'
import { createKnownEndpoints } from './known-endpoints.ts'
import { createDeliverReplay } from './replay-delivery.ts'
import { createSettlements } from './settlements.ts'
import { createSweep, openSweeper, type SweepPorts } from './sweeper.ts'

type Topics = { receipts: { name: string } }

export type Delivery = AsyncDisposable & {
  /** Whether jobs are being taken, for the readiness of the process. */
  state: () => { ok: boolean; detail: string }
}

export type DeliverySettings = CallRules & {
  /** How long an endpoint may fail without one success before it is disabled. */
  failureBudgetMs: number
  sweep?: { everyMs: number; olderThanMs: number }
  locks?: Locks
}

export type OpenDeliveryReport = DeliveryReport &
  CallReport &
  SweepPorts['report'] & {
    sealed: (of: { endpointId: string; problem: string }) => void
    /** Redis did not hear that so many alerts are settled. */
    leftToSweep: (count: number, error: unknown) => void
  }

const standardSweep = { everyMs: 15_000, olderThanMs: 60_000 }
const maxPerSweep = 500
const author = 'alerts'

/** Delivers what is in the queue, and sees to it that everything owed is in the queue. Ends when `stop` aborts. */
export function openDelivery(options: {
  /** The connection that deliveries share. BullMQ's worker makes its own to `redisUrl`. */
  redis: Redis
  redisUrl: string
  keyPrefix: string
  book: AlertBook
  queue: AlertQueue
  producer: Pick<Producer, 'publish'>
  topics: Topics
  receiptsSeen: DeliveryPorts['receiptsSeen']
  kafka: Pick<KafkaConfig, 'partitions'>
  endpoints: { view: Pick<EndpointView, 'find'>; writer: EndpointWriter }
  keys: Pick<SealingKeys, 'unseal'>
  signingKey: SigningKey | null
  guard: AddressGuard
  mail: Pick<MailSender, 'sendMail' | 'sendVerification'>
  settings: DeliverySettings
  stop: AbortSignal
  log: Logger
  report: OpenDeliveryReport
  now?: () => number
  random?: () => number
}): Delivery {
  const { book, queue, settings, stop, log, report, guard, now = Date.now, random = Math.random } = options
  const { partitions } = options.kafka
  const { everyMs, olderThanMs } = settings.sweep ?? standardSweep
  const store = { redis: options.redis, keyPrefix: options.keyPrefix }
  const opened = new AsyncDisposableStack()

  const sender = opened.use(openWebhookSender({ timeoutMs: settings.timeoutMs, guard }))
  const health = createHealthStore(store)
  const endpoints = createKnownEndpoints({
    view: options.endpoints.view,
    health,
    sealing: options.keys,
    now,
    onSealed: report.sealed,
  })
  const change = changeThrough(options.endpoints.writer)
  const fate = createEndpointFate({ health, endpoints, change, budgetMs: settings.failureBudgetMs })
  const calls = createEndpointCalls(
    {
      lanes: createLanes(store),
      send: sender.send,
      mail: options.mail,
      report,
      now,
      random,
    },
    { rules: settings, signingKey: options.signingKey },
  )
  // Closed after the worker: what it has delivered last is settled too.
  const settlements = opened.use(createSettlements({ book, onLeft: report.leftToSweep, now }))
  const deliver = createDeliver(
    {
      book,
      settlements,
      calls,
      endpoints,
      fate,
      receipts: createKafkaReceipts({ producer: options.producer, topic: options.topics.receipts.name }),
      receiptsSeen: options.receiptsSeen,
      report,
      now,
      random,
    },
    { retrySlots: Math.max(1, Math.floor(settings.concurrency / 4)), stop },
  )
  const worker = opened.use(
    openDeliveryWorker({
      ...store,
      redisUrl: options.redisUrl,
      concurrency: settings.concurrency,
      deliver,
      deliverBatch: createDeliverBatch({
        deliver,
        calls,
        endpoints,
        queue,
        report: { runFailed: (alertId, err) => log.warn({ alertId, err }, 'alert.run_failed') },
        random,
      }),
      deliverReplay: createDeliverReplay({
        bodies: createReplayBodies(store),
        calls,
        endpoints,
        now,
        random,
        stop,
      }),
      ...(settings.locks === undefined ? {} : { locks: settings.locks }),
      stop,
      log,
    }),
  )
  const sweep = createSweep({ book, queue, report, now }, { partitions, olderThanMs, maxPerSweep })
  opened.use(openSweeper({ sweep, everyMs, log }))

  return { state: worker.state, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

function changeThrough(writer: EndpointWriter): ChangeEndpoint {
  return async function change(endpointId, wanted) {
    const { kind } = await writer.change(endpointId, (known, nowMs) =>
      changeEndpoint(known, wanted, { nowMs, by: author }),
    )
    return { kind: kind === 'busy' ? 'busy' : 'made' }
  }
}
