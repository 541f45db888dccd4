import { setTimeout as delay } from 'node:timers/promises'
import type { GenericContainer, StartedTestContainer } from 'testcontainers'
import { type Address, readClusterView, untilAllAgree } from '../kafka/kafka-metadata.ts'
import type { BrokerCount } from '../kafka/kafka-settings.ts'
import { pickFreePorts } from '../process/free-ports.ts'
import type { ServerNode } from '../process/server-node.ts'
import { readRedisPid } from '../redis/redis-pid.ts'
import { redisSettings } from '../redis/redis-settings.ts'
import { createContainerNode } from './container-node.ts'
import {
  clientPort,
  kafkaCommand,
  kafkaEnvironment,
  kafkaHostname,
  kafkaImage,
  kafkaStartScript,
  startScriptPath,
  waitingForStartScript,
} from './kafka-container.ts'

export interface DockerServers extends AsyncDisposable {
  kafkaBrokers: string[]
  redisUrls: string[]
  kafka: ServerNode[]
  redis: ServerNode[]
}

const redisImage = 'redis:7.4'
const redisPort = 6379
const readyDeadlineMs = 60_000
const pollMs = 100

/** Why no Docker engine can be used from here, or null when one answers. */
export async function dockerProblem(): Promise<string | null> {
  const { getContainerRuntimeClient } = await testcontainers()
  try {
    await getContainerRuntimeClient()
    return null
  } catch (error) {
    return `a Docker engine that answers (${messageOf(error)})`
  }
}

/** Starts Kafka and Redis as containers. Throws when there is no engine or an image cannot be had. */
export async function openDockerServers({
  brokers,
  redisCount,
  onProgress,
}: {
  brokers: BrokerCount
  redisCount: number
  onProgress: (message: string) => void
}): Promise<DockerServers> {
  const { GenericContainer, Network, Wait, getContainerRuntimeClient } = await testcontainers()
  const engine = await getContainerRuntimeClient()
  await using opening = new AsyncDisposableStack()
  onProgress(`starting ${kafkaImage} and ${redisImage} by Docker (the first time, the images are pulled)`)

  const redis: ServerNode[] = []
  const redisUrls: string[] = []
  for (const [index, hostPort] of (await pickFreePorts(redisCount)).entries()) {
    const settings = Object.entries({
      ...redisSettings({ appendOnly: true, appendFsync: 'everysec' }),
      'protected-mode': 'no', // clients come from outside the container
    })
    const started = await startContainer(
      redisImage,
      new GenericContainer(redisImage)
        // A fixed port of the host, as Docker would give a restarted container another one.
        .withExposedPorts({ container: redisPort, host: hostPort })
        .withCommand(['redis-server', ...settings.flatMap(([name, value]) => [`--${name}`, value])])
        .withWaitStrategy(Wait.forLogMessage('Ready to accept connections')),
    )
    opening.use(started)
    const address = addressOf(started, redisPort)
    redisUrls.push(`redis://${address.host}:${address.port}`)
    redis.push(
      createContainerNode({
        container: engine.container.getById(started.getId()),
        id: index + 1,
        port: address.port,
        untilReady: () => untilAnswers(() => readRedisPid(address)),
      }),
    )
  }

  const network = opening.use(await new Network().start())
  const kafka: ServerNode[] = []
  const addresses: Address[] = []
  for (const [index, hostPort] of (await pickFreePorts(brokers)).entries()) {
    const id = index + 1
    const started = await startContainer(
      kafkaImage,
      new GenericContainer(kafkaImage)
        .withNetwork(network)
        .withNetworkAliases(kafkaHostname(id))
        .withExposedPorts({ container: clientPort, host: hostPort })
        .withEnvironment(kafkaEnvironment({ id, brokers }))
        .withEntrypoint(['sh'])
        .withCommand(['-c', kafkaCommand()])
        .withWaitStrategy(Wait.forLogMessage(waitingForStartScript)),
    )
    opening.use(started)
    const address = addressOf(started, clientPort)
    const content = kafkaStartScript({ id, ...address })
    await started.copyContentToContainer([{ content, target: startScriptPath, mode: 0o755 }])
    addresses.push(address)
    kafka.push(
      createContainerNode({
        container: engine.container.getById(started.getId()),
        id,
        port: address.port,
        untilReady: () => untilAnswers(async () => (await readClusterView(address)).brokerIds.includes(id)),
      }),
    )
  }
  await untilAllAgree(addresses)

  const resources = opening.move()
  return {
    kafkaBrokers: addresses.map(({ host, port }) => `${host}:${port}`),
    redisUrls,
    kafka,
    redis,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** Loaded only where Docker is used: it is large. */
function testcontainers() {
  return import('testcontainers')
}

async function startContainer(image: string, container: GenericContainer): Promise<StartedTestContainer> {
  try {
    return await container.start()
  } catch (cause) {
    throw new Error(
      `Docker cannot start ${image}: ${messageOf(cause)}. If the image cannot be pulled from here, load it into ` +
        'Docker by hand, or install Java 17, Maven and Redis and leave Docker out (SIGNALBOX_INFRA=embedded).',
      { cause },
    )
  }
}

function addressOf(started: StartedTestContainer, port: number): Address {
  return { host: started.getHost(), port: started.getMappedPort(port) }
}

async function untilAnswers(ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + readyDeadlineMs
  for (;;) {
    const answer = await ask().catch((error: unknown) => error)
    if (answer !== false && !(answer instanceof Error)) return
    if (performance.now() > deadline)
      throw new Error('The restarted container does not answer', { cause: answer })
    await delay(pollMs)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
