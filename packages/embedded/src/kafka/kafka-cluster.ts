import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { exists } from '../cache-folder.ts'
import { openOnFreePorts } from '../process/free-ports.ts'
import { createProcessNode, type ProcessNode, saysPortTaken, startError } from '../process/server-node.ts'
import { openSupervisor, type Supervisor } from '../process/supervisor.ts'
import type { KafkaInstallation } from './kafka-jars.ts'
import { readClusterView, untilAllAgree } from './kafka-metadata.ts'
import {
  type BrokerCount,
  clusterIdOf,
  metaProperties,
  type NodePorts,
  serverProperties,
} from './kafka-settings.ts'

/** A running cluster; disposal ends it and removes its folder if that is a temporary one. */
export interface EmbeddedKafka extends AsyncDisposable {
  /** `host:port` of every node, also of those that are down at the moment. */
  readonly brokers: string[]
  /** Holds a folder per node with its data and its kafka.log. */
  readonly folder: string
  readonly nodes: ProcessNode[]
}

interface ClusterOptions {
  installation: KafkaInstallation
  brokers: BrokerCount
  /** Kept and used again; a temporary folder when null. */
  dataFolder: string | null
  /** Added to the options of every JVM. */
  jvmOptions: string[]
}

const closeDeadlineMs = 3_000

// The first compiler alone starts in half the time and is fast enough for tests.
const commonJvmOptions = [
  '-Xms64m',
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:+ExitOnOutOfMemoryError',
  '-Djava.awt.headless=true',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  // It warns many times a second while another node is down.
  '-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients.NetworkClient=error',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
]

/** Starts one or three combined brokers and controllers; resolves when every broker answers and sees all. */
export async function openKafkaCluster(options: ClusterOptions): Promise<EmbeddedKafka> {
  const { brokers, dataFolder } = options
  await using opening = new AsyncDisposableStack()
  const supervisor = opening.use(await openSupervisor({ keptFolder: dataFolder, name: 'kafka' }))
  const { folder } = supervisor
  await assertSameSize({ folder, brokers })
  const clusterId = await formatNodes({ ...options, folder })
  const nodes = await openOnFreePorts({
    count: brokers * 2,
    open: (ports) => startNodes({ ...options, supervisor, folder, clusterId, ports }),
  })
  // What is kept gets an orderly end; what is removed anyway is killed by the supervisor.
  if (dataFolder !== null) opening.defer(() => stopForAMoment(nodes))
  await untilAllAgree(nodes.map(({ port }) => ({ host: '127.0.0.1', port })))

  const resources = opening.move()
  return {
    brokers: nodes.map(({ port }) => `127.0.0.1:${port}`),
    folder,
    nodes,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

const nodeFolder = (folder: string, id: number) => join(folder, `node-${id}`)

const idsOf = (brokers: BrokerCount) => Array.from({ length: brokers }, (_, index) => index + 1)

async function assertSameSize({ folder, brokers }: { folder: string; brokers: number }): Promise<void> {
  const kept = (await readdir(folder)).filter((name) => name.startsWith('node-')).length
  if (kept !== 0 && kept !== brokers) {
    throw new Error(`${folder} holds a Kafka of ${kept} brokers and cannot be opened with ${brokers}`)
  }
}

/** Formats each node's log folder that is not yet; returns the id of the cluster. */
async function formatNodes({
  installation,
  brokers,
  folder,
}: ClusterOptions & { folder: string }): Promise<string> {
  const firstMeta = join(nodeFolder(folder, 1), 'log', 'meta.properties')
  // A cluster id of its own makes a broker refuse a stranger that was given a port of a former cluster.
  const clusterId = (await exists(firstMeta)) ? clusterIdOf(await readFile(firstMeta, 'utf8')) : kafkaUuid()
  for (const id of idsOf(brokers)) {
    const logFolder = join(nodeFolder(folder, id), 'log')
    const meta = join(logFolder, 'meta.properties')
    if (await exists(meta)) continue
    await mkdir(logFolder, { recursive: true })
    await copyFile(installation.bootstrapCheckpoint, join(logFolder, 'bootstrap.checkpoint'))
    await writeFile(meta, metaProperties({ clusterId, nodeId: id, folderId: kafkaUuid() }))
  }
  return clusterId
}

async function startNodes({
  installation,
  brokers,
  jvmOptions,
  supervisor,
  folder,
  clusterId,
  ports,
}: ClusterOptions & { supervisor: Supervisor; folder: string; clusterId: string; ports: number[] }) {
  const cluster = idsOf(brokers).map((id, index) => ({
    id,
    client: ports[index * 2] ?? 0,
    controller: ports[index * 2 + 1] ?? 0,
  }))
  const nodes = await Promise.all(cluster.map(createNode))
  const failures: { reason: string; log: string }[] = []
  await Promise.all(
    nodes.map(async (node) => {
      const outcome = await node.tryStart()
      if (outcome.kind === 'ready') return
      failures.push(outcome)
      // A cluster of fewer is not what was asked for, so the others need not go on.
      await Promise.all(nodes.map((other) => other.kill()))
    }),
  )
  const [failure] = failures
  if (failure === undefined) return { kind: 'opened' as const, value: nodes }
  const error = startError(failure)
  if (saysPortTaken(failure.log)) return { kind: 'port-taken' as const, reason: error.message }
  throw error

  async function createNode({ id, client: port }: NodePorts) {
    const own = nodeFolder(folder, id)
    const properties = join(own, 'server.properties')
    await writeFile(properties, serverProperties({ id, nodes: cluster, logFolder: join(own, 'log') }))
    return createProcessNode({
      supervisor,
      id,
      port,
      order: {
        name: `Kafka node ${id}`,
        command: 'java',
        args: [...commonJvmOptions, ...jvmOptions, '-cp', installation.classPath, 'kafka.Kafka', properties],
        logFile: join(own, 'kafka.log'),
      },
      async isReady() {
        const view = await readClusterView({ host: '127.0.0.1', port })
        return view.clusterId === clusterId && view.brokerIds.includes(id)
      },
    })
  }
}

/**
 * Gives all nodes the same few seconds: the last ones of three have no quorum left to say good-bye to and
 * would wait for it. The supervisor kills them; their confirmed records are with the system already.
 */
async function stopForAMoment(nodes: ProcessNode[]): Promise<void> {
  const stopped = Promise.allSettled(nodes.map((node) => node.stop()))
  await Promise.race([stopped, delay(closeDeadlineMs, undefined, { ref: false })])
}

/** A random UUID as Kafka writes them. */
function kafkaUuid(): string {
  // A leading dash would be read as an option by Kafka's tools.
  return `S${randomBytes(16).toString('base64url').slice(1)}`
}
