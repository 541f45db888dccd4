import { createEndpointWriter, type EndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import {
  type Declared,
  type DeclaredEndpoint,
  declareEndpoints,
} from '@signalbox/alert-endpoints/declare-endpoints'
import { createEndpointView, type EndpointView } from '@signalbox/alert-endpoints/endpoint-view'
import { type EndpointFollower, openEndpointFollower } from '@signalbox/alert-endpoints/follow-endpoints'
import type { SealingKeys } from '@signalbox/alert-endpoints/sealing'
import type { KafkaConfig } from '@signalbox/kafka/config'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Producer } from '@signalbox/kafka/producer'
import type { Logger } from '@signalbox/runtime/log'
import type { Redis } from 'ioredis'

export type Endpoints = AsyncDisposable & {
  view: EndpointView
  follower: EndpointFollower
  writer: EndpointWriter
  /** What came of those that this deployment declares. */
  declared: Declared
}

/**
 * Follows the endpoints' topic into its view, opens the one way to write to it, and writes what is declared.
 *
 * @throws as `declareEndpoints`
 */
export async function openEndpoints({
  declared,
  keys,
  now = Date.now,
  kafka: { partitions },
  topics,
  ...options
}: {
  redis: Redis
  keyPrefix: string
  reader: Pick<PartitionReader, 'read' | 'bounds'>
  producer: Pick<Producer, 'publish'>
  kafka: Pick<KafkaConfig, 'partitions'>
  topics: { endpoints: { name: string } }
  clusterId: string
  declared: readonly DeclaredEndpoint[]
  keys: SealingKeys
  now?: () => number
  log: Logger
}): Promise<Endpoints> {
  await using opening = new AsyncDisposableStack()
  const shared = { ...options, partitions, topic: topics.endpoints.name }
  const view = createEndpointView(shared)
  const follower = opening.use(openEndpointFollower({ ...shared, view }))
  const writer = createEndpointWriter({ ...shared, view, follower, now })
  const done = await declareEndpoints(declared, { writer, view, follower, keys })
  const opened = opening.move()
  return { view, follower, writer, declared: done, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
