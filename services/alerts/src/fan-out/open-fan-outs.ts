import type { KafkaConfig } from '@signalbox/kafka/config'
import type { PartitionConsumer } from '@signalbox/kafka/consumer'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Logger } from '@signalbox/runtime/log'
import type { Redis } from 'ioredis'
import { createAlertBook } from '../adapters/alert-book.ts'
import type { AlertQueue } from '../adapters/alert-queue.ts'
import type { Endpoints } from '../endpoints/open-endpoints.ts'
import { createAlertsOfChanges, type ReadReport } from './alerts-of-changes.ts'
import { createAlertsOfEndpoints } from './alerts-of-endpoints.ts'
import type { FanOutPorts } from './fan-out.ts'
import { type EndpointsFanOut, openEndpointsFanOut } from './open-endpoints-fan-out.ts'
import { openFanOut } from './open-fan-out.ts'

export type FanOuts = AsyncDisposable & {
  changes: PartitionConsumer
  endpoints: EndpointsFanOut
  failed: readonly Promise<Error>[]
}

/** Reads the changes, and the endpoints' own news for operators, and turns both into obligations and jobs. */
export async function openFanOuts({
  endpoints,
  topics,
  redis,
  keyPrefix,
  now = Date.now,
  ...options
}: {
  kafka: KafkaConfig
  clusterId: string
  topics: { changes: { name: string }; endpoints: { name: string } }
  groupId: string
  redis: Redis
  keyPrefix: string
  queue: FanOutPorts['queue'] & Pick<AlertQueue, 'countWaiting'>
  endpoints: Endpoints
  receiptsSeen: FanOutPorts['receiptsSeen']
  reader: PartitionReader
  report: ReadReport & Pick<FanOutPorts, 'skipped'>
  now?: () => number
  log: Logger
}): Promise<FanOuts> {
  const { kafka, report } = options
  const store = { redis, keyPrefix, now }
  const shared = { ...options, endpoints: endpoints.follower, skipped: report.skipped, now }
  await using opening = new AsyncDisposableStack()
  const changes = opening.use(
    await openFanOut({
      ...shared,
      topic: topics.changes.name,
      countWaiting: () => options.queue.countWaiting(),
      book: createAlertBook(store),
      alertsOf: createAlertsOfChanges({ endpoints: endpoints.view, report }),
    }),
  )
  const ofEndpoints = opening.use(
    openEndpointsFanOut({
      ...shared,
      topic: topics.endpoints.name,
      partitions: kafka.partitions,
      book: createAlertBook({ ...store, fanOut: 'endpoints' }),
      alertsOf: createAlertsOfEndpoints({ endpoints: endpoints.view }),
    }),
  )
  const opened = opening.move()
  const failed = [changes.failed, ofEndpoints.failed]
  return { changes, endpoints: ofEndpoints, failed, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
