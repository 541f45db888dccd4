import { setTimeout as pause } from 'node:timers/promises'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { openPartitionConsumer, type PartitionConsumer } from '@signalbox/kafka/consumer'
import type { Logger } from '@signalbox/runtime/log'
import { createFanOut, type FanOutPorts } from './fan-out.ts'
import { createTurns } from './turns.ts'

/** How soon a Redis that was flushed under a running process is noticed. */
const lookEveryMs = 1_000
const commitEveryMs = 1_000

/** Reads a topic and turns its records into obligations and jobs, until it is closed. */
export async function openFanOut({
  kafka,
  clusterId,
  topic,
  groupId,
  countWaiting,
  log,
  ...ports
}: FanOutPorts & {
  kafka: KafkaConfig
  clusterId: string
  topic: string
  groupId: string
  /** How many jobs wait for a worker; see `createTurns`. */
  countWaiting: () => Promise<number>
  log: Logger
}): Promise<PartitionConsumer> {
  const fanOut = createFanOut(ports, { clusterId, topic })
  const consumer = await openPartitionConsumer(kafka, {
    attach: fanOut.attach,
    process: fanOut.process,
    tick: {
      everyMs: lookEveryMs,
      async run(partition) {
        if (await fanOut.isOvertaken(partition)) consumer.reattach('the queue Redis is not as it was left')
      },
    },
    turn: createTurns({ countWaiting, pause: async (ms) => pause(ms), nowMs: () => performance.now() }),
    commitEveryMs,
    groupId,
    topic,
    clientId: 'signalbox-alerts',
    log,
  })
  return consumer
}
