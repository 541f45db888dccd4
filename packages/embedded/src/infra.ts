import { cacheFolderOf } from './cache-folder.ts'
import { dockerProblem, openDockerServers } from './docker/docker-servers.ts'
import { findEmbedded } from './find-embedded.ts'
import {
  chooseSource,
  type Environment,
  type Finding,
  forcedSource,
  type InfraSource,
  ownServers,
} from './infra-source.ts'
import { openEmbeddedKafka } from './kafka/embedded-kafka.ts'
import type { BrokerCount } from './kafka/kafka-settings.ts'
import type { ServerNode } from './process/server-node.ts'
import { openEmbeddedRedis } from './redis/embedded-redis.ts'

/** Handles on the servers that this run has started, to stop, kill and freeze them. */
export interface Faults {
  kafka: ServerNode[]
  redis: ServerNode[]
}

/** Kafka and Redis to work with. Disposal ends what was started, and nothing else. */
export interface Infra extends AsyncDisposable {
  source: InfraSource
  kafkaBrokers: string[]
  redisUrls: string[]
  /** Null when the servers are somebody else's. */
  faults: Faults | null
}

interface Wanted {
  env: Environment
  forLoad: boolean
  brokers: BrokerCount
  redisCount: number
  onProgress: (message: string) => void
}

/**
 * Provides Kafka and Redis: as processes of this machine, else by Docker; the environment's own only with
 * SIGNALBOX_INFRA=env. Throws with what is missing and how to get it.
 */
export async function openInfra({
  env,
  brokers = 1,
  redisCount = 1,
  forLoad = false,
  onProgress = () => {},
}: {
  env: Environment
  brokers?: BrokerCount
  redisCount?: number
  /** Servers that start more slowly and are faster once they run; of those that are started here. */
  forLoad?: boolean
  onProgress?: (message: string) => void
}): Promise<Infra> {
  const wanted = { env, brokers, redisCount, forLoad, onProgress }
  const forced = forcedSource(env)
  const embedded =
    forced === null || forced === 'embedded' ? await findEmbedded({ cacheFolder: cacheFolderOf(env) }) : null
  const fallsBack = forced === null && embedded?.usable === false
  const docker = forced === 'docker' || fallsBack ? await findDocker() : null
  const source = chooseSource({ forced, embedded, docker })
  if (source === 'embedded') return openEmbedded(wanted)
  if (source === 'docker') return openDocker(wanted)
  return { source, ...ownServers(env, wanted), faults: null, async [Symbol.asyncDispose]() {} }
}

/** The handles for faults; throws for servers that this run has not started. */
export function requireFaults(infra: Pick<Infra, 'source' | 'faults'>): Faults {
  if (infra.faults !== null) return infra.faults
  throw new Error(
    `Faults are refused: Kafka and Redis come from the environment (SIGNALBOX_INFRA=${infra.source}) and were ` +
      'not started by this run. Unset SIGNALBOX_INFRA, or set it to embedded or docker.',
  )
}

async function openEmbedded({ env, brokers, redisCount, forLoad, onProgress }: Wanted): Promise<Infra> {
  const cacheFolder = cacheFolderOf(env)
  await using opening = new AsyncDisposableStack()
  const redis = []
  for (let id = 1; id <= redisCount; id++) {
    redis.push(opening.use(await openEmbeddedRedis({ id, cacheFolder, onProgress })))
  }
  const kafka = opening.use(await openEmbeddedKafka({ brokers, cacheFolder, forLoad, onProgress }))
  const resources = opening.move()
  return {
    source: 'embedded',
    kafkaBrokers: kafka.brokers,
    redisUrls: redis.map(({ url }) => url),
    faults: { kafka: kafka.nodes, redis: redis.map(({ node }) => node) },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function openDocker(wanted: Wanted): Promise<Infra> {
  const servers = await openDockerServers(wanted)
  return {
    source: 'docker',
    kafkaBrokers: servers.kafkaBrokers,
    redisUrls: servers.redisUrls,
    faults: { kafka: servers.kafka, redis: servers.redis },
    [Symbol.asyncDispose]: () => servers[Symbol.asyncDispose](),
  }
}

async function findDocker(): Promise<Finding> {
  const problem = await dockerProblem()
  return problem === null ? { usable: true } : { usable: false, missing: [problem] }
}
