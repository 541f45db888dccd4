export type BrokerCount = 1 | 3

/** Room for a record of 16 MiB and what surrounds it in a batch. */
const largestBatchBytes = 17 * 1024 * 1024

/** The settings that all nodes of a cluster share, wherever it runs. */
export function clusterSettings(brokers: BrokerCount): Record<string, string> {
  const inSync = brokers === 3 ? 2 : 1
  return all({
    'process.roles': 'broker,controller',
    'controller.listener.names': 'CONTROLLER',
    // A killed broker is fenced, and its leaderships move, after this; the heartbeat leaves room for a busy machine.
    'broker.session.timeout.ms': 3000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    'default.replication.factor': brokers,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': brokers,
    'offsets.topic.num.partitions': brokers,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': brokers,
    'share.coordinator.state.topic.replication.factor': brokers,
    'share.coordinator.state.topic.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': brokers,
    'group.initial.rebalance.delay.ms': 0,
    'log.message.timestamp.type': 'LogAppendTime',
    'message.max.bytes': largestBatchBytes,
    'replica.fetch.max.bytes': largestBatchBytes,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'log.cleaner.dedupe.buffer.size': 2 * 1024 * 1024,
  })
}

/** Where one node of a cluster on the loopback interface listens. */
export interface NodePorts {
  id: number
  client: number
  controller: number
}

/** The text of server.properties of the node `id`. */
export function serverProperties({
  id,
  nodes,
  logFolder,
}: {
  id: number
  nodes: NodePorts[]
  logFolder: string
}): string {
  const own = nodes.find((node) => node.id === id)
  if (own === undefined || !(nodes.length === 1 || nodes.length === 3)) {
    throw new Error(`No node ${id} in a cluster of ${nodes.length}`)
  }
  const settings = {
    ...clusterSettings(nodes.length),
    'node.id': String(id),
    'controller.quorum.voters': nodes.map((node) => `${node.id}@127.0.0.1:${node.controller}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${own.client},CONTROLLER://127.0.0.1:${own.controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${own.client}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logFolder,
  }
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${escaped(value)}\n`)
    .join('')
}

/** The text of meta.properties, which ties a node's log folder to its cluster. */
export function metaProperties({
  clusterId,
  nodeId,
  folderId,
}: {
  clusterId: string
  nodeId: number
  folderId: string
}): string {
  return `version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${folderId}\n`
}

/** The cluster a formatted log folder belongs to. Throws when the text names none. */
export function clusterIdOf(metaText: string): string {
  const found = /^cluster\.id=(.+)$/mu.exec(metaText)?.[1]
  if (found === undefined) throw new Error('meta.properties names no cluster.id')
  return found.trim()
}

function all(settings: Record<string, string | number | boolean>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)]))
}

/** In a properties file a backslash starts an escape. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\')
}
