import { createAttemptLog } from '@signalbox/alert-endpoints/attempt-log'
import { createEndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import { createHealthStore } from '@signalbox/alert-endpoints/endpoint-health'
import { createEndpointView } from '@signalbox/alert-endpoints/endpoint-view'
import { openEndpointFollower } from '@signalbox/alert-endpoints/follow-endpoints'
import { type ReplayPorts, planReplay, runReplay } from '@signalbox/alert-endpoints/replay'
import { createReplayBodies } from '@signalbox/alert-endpoints/replay-bodies'
import { openReplayQueue } from '@signalbox/alert-endpoints/replay-queue'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import type { PartitionReader } from '@signalbox/kafka/partition-reader'
import type { Producer } from '@signalbox/kafka/producer'
import { clusterId } from '@signalbox/kafka/topics'
import { openRedisLink } from '@signalbox/redis-link/redis-link'
import type { Logger } from '@signalbox/runtime/log'
import { createAddressGuard } from '@signalbox/webhook-sender/address-guard'
import { openWebhookSender } from '@signalbox/webhook-sender/send-webhook'
import type { SigningKey } from '@signalbox/webhook-sender/webhook-headers'
import type { EndpointPorts } from './endpoint-exchange.ts'
import { challengeDeadlineMs } from './endpoint-challenge.ts'
import type { EndpointsConfig } from './endpoints-config.ts'

export type Endpoints = AsyncDisposable & {
  ports: EndpointPorts
  /** Resolves when the view of endpoints cannot be kept. */
  failed: Promise<Error>
  /** For readiness: never unready, as the query API works without; the detail tells what is wrong. */
  check(): { ok: boolean; detail: string }
}

/**
 * Opens what the API of endpoints works with, until closed.
 *
 * @throws StartProblem when a key file cannot be used; an Error when Redis or Kafka cannot
 */
export async function openEndpoints(
  config: EndpointsConfig & { kafka: KafkaConfig; keyPrefix: string },
  ports: {
    reader: PartitionReader
    producer: Producer
    signingKey: SigningKey | null
    log: Logger
    now: () => number
  },
): Promise<Endpoints> {
  const { reader, producer, log, now } = ports
  const { keyPrefix } = config
  const { partitions } = config.kafka
  const topic = topics.endpoints.name
  const sealing = readSealingKeys(config.keysFile)

  await using opened = new AsyncDisposableStack()
  const { redis } = opened.use(await openRedisLink({ ...config.queueRedis, log }))
  const view = createEndpointView({ redis, keyPrefix, partitions })
  const cluster = await clusterId(config.kafka, { log })
  const follower = opened.use(
    openEndpointFollower({ reader, view, topic, partitions, clusterId: cluster, log }),
  )
  const guard = createAddressGuard(config.network)
  const sender = opened.use(openWebhookSender({ timeoutMs: challengeDeadlineMs, guard }))
  const onTrouble = (problem: string) => log.warn({ problem }, 'replay.queue_trouble')
  const queue = opened.use(openReplayQueue({ redis, keyPrefix, onTrouble }))
  const changes: ReplayPorts = { reader, topic: topics.changes.name, partitions, view }
  const replaying = { ...changes, bodies: createReplayBodies({ redis, keyPrefix }), queue, now }
  const resources = opened.move()
  return {
    ports: {
      view,
      writer: createEndpointWriter({ redis, keyPrefix, view, follower, producer, topic, partitions, now }),
      sealing,
      guard,
      send: sender.send,
      signingKey: ports.signingKey,
      attempts: createAttemptLog({ redis, keyPrefix }),
      health: createHealthStore({ redis, keyPrefix }),
      replays: {
        plan: (choice) => planReplay(changes, choice),
        run: (choice, options) => runReplay(replaying, choice, options),
      },
    },
    failed: follower.failed,
    check: () => ({ ok: true, detail: follower.state().detail }),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
