import kafkajs from 'kafkajs'
import type Cluster from 'kafkajs/src/cluster/index.js'
import type { Broker } from 'kafkajs/src/cluster/index.js'
import response from 'kafkajs/src/protocol/requests/produce/v7/response.js'
import type { Acknowledgement, BatchRecord, Place } from './lane.ts'
import { encodeProduceRequest, produceApi } from './produce-request.ts'

const acksOfAllReplicas = -1
/** How long the broker may wait for them; we give up much sooner. */
const replicasTimeoutMs = 30_000

type Part = { place: Place; records: BatchRecord[] }

/**
 * Sends a batch, one request to each broker that leads a partition of it, and waits for the answers of all. A partition
 * that the metadata does not know is left out, of the answer too. The cluster connects and asks for metadata by
 * itself; `isStale` has it ask anew. Nothing is sent any more once `signal` is aborted.
 *
 * @throws what kafkajs throws, of a broker that does not answer or has refused a partition: any record may be written
 */
export async function produceBatch(
  cluster: Cluster,
  { batch, isStale, signal }: { batch: readonly BatchRecord[]; isStale: boolean; signal: AbortSignal },
): Promise<Acknowledgement[]> {
  const parts = [...Map.groupBy(batch, placeOf)].map(([place, records]) => ({ place, records }))
  await prepare(cluster, { topics: new Set(parts.map(({ place }) => place.topic)), isStale })
  const byLeader = Map.groupBy(parts, ({ place }) => leaderOf(cluster, place))
  const answers = await Promise.allSettled(
    [...byLeader].map(async ([nodeId, led]) => {
      if (nodeId === undefined) return []
      return exchange(await cluster.findBroker({ nodeId }), { parts: led, signal })
    }),
  )
  return answers.flatMap((answer) => {
    if (answer.status === 'rejected') throw answer.reason
    return answer.value
  })
}

async function prepare(
  cluster: Cluster,
  { topics, isStale }: { topics: ReadonlySet<string>; isStale: boolean },
): Promise<void> {
  if (!cluster.isConnected()) await cluster.connect()
  if (!topics.isSubsetOf(cluster.targetTopics)) await cluster.addMultipleTargetTopics([...topics])
  if (isStale) await cluster.refreshMetadata()
  else await cluster.refreshMetadataIfNecessary()
}

const placeOf = ({ place }: BatchRecord) => place

function leaderOf(cluster: Cluster, { topic, partition }: Place): string | undefined {
  return Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0]
}

/** One request, past kafkajs' own `produce`, which copies the request twice into memory that it clears before. */
async function exchange(
  broker: Broker,
  { parts, signal }: { parts: readonly Part[]; signal: AbortSignal },
): Promise<Acknowledgement[]> {
  const connection = await broker.connectionPool.getConnection()
  if (!connection.isAuthenticated()) await connection.authenticate()
  if (!connection.isConnected()) throw new kafkajs.KafkaJSError('the connection was closed')
  signal.throwIfAborted()
  const correlationId = connection.nextCorrelationId()
  const bytes = encodeProduceRequest({
    correlationId,
    clientId: connection.clientId,
    acks: acksOfAllReplicas,
    timeoutMs: replicasTimeoutMs,
    nowMs: Date.now(),
    topics: [...Map.groupBy(parts, ({ place }) => place.topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ place, records }) => ({ partition: place.partition, records })),
    })),
  })
  const { payload } = await new Promise<{ payload: Buffer }>((resolve, reject) => {
    connection.requestQueue.push({
      entry: { ...produceApi, correlationId, resolve, reject },
      expectResponse: true,
      sendRequest: () => connection.socket.write(bytes),
    })
  })
  const answer = await response.decode(payload)
  connection.requestQueue.maybeThrottle(answer.clientSideThrottleTime)
  await response.parse(answer)
  return answer.topics.flatMap(({ topicName: topic, partitions }) =>
    partitions.map(({ partition, baseOffset }) => ({ topic, partition, baseOffset })),
  )
}
