import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer, type PartitionConsumer } from '@signalbox/kafka/consumer'
import { clusterId } from '@signalbox/kafka/topics'
import type { Logger } from '@signalbox/runtime/log'
import { createFanOut, type FanOutPorts } from './fan-out.ts'

/** Reads the changes and turns them into obligations and jobs, until it is closed. */
export async function openFanOut({
  kafka,
  topic,
  groupId,
  log,
  ...ports
}: FanOutPorts & {
  kafka: KafkaConfig
  topic: string
  groupId: string
  log: Logger
}): Promise<PartitionConsumer> {
  const fanOut = createFanOut(ports, { clusterId: await clusterId(kafka, { log }), topic })
  return openPartitionConsumer(kafka, { ...fanOut, groupId, topic, clientId: 'signalbox-alerts', log })
}
