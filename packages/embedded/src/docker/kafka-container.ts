import { type BrokerCount, clusterSettings } from '../kafka/kafka-settings.ts'

export const kafkaImage = 'apache/kafka:4.3.1'
export const clientPort = 9092
const brokerPort = 9093
const controllerPort = 9094
const clusterId = 'c2lnbmFsYm94LWRvY2tlcg'

export const startScriptPath = '/tmp/start-kafka.sh'
export const waitingForStartScript = 'waiting for the start script'

export const kafkaHostname = (id: number) => `kafka-${id}`

/**
 * The command of a Kafka container. What Kafka must advertise, the port as seen from outside, is known only
 * once the container runs: so the container waits for a script that says it. A restarted one finds it there.
 */
export function kafkaCommand(): string {
  return (
    `echo "${waitingForStartScript}"; ` +
    `until [ -s ${startScriptPath} ]; do sleep 0.1; done; exec sh ${startScriptPath}`
  )
}

/** The script that starts the broker `id`, reached by clients at `host:port`. */
export function kafkaStartScript({ id, host, port }: { id: number; host: string; port: number }): string {
  const advertised = `PLAINTEXT://${host}:${port},BROKER://${kafkaHostname(id)}:${brokerPort}`
  return `#!/bin/sh\nexport KAFKA_ADVERTISED_LISTENERS='${advertised}'\nexec /etc/kafka/docker/run\n`
}

/** The environment of the container of the broker `id`, apart from what its start script adds. */
export function kafkaEnvironment({
  id,
  brokers,
}: {
  id: number
  brokers: BrokerCount
}): Record<string, string> {
  const ids = Array.from({ length: brokers }, (_, index) => index + 1)
  const settings = {
    ...clusterSettings(brokers),
    'node.id': String(id),
    'controller.quorum.voters': ids.map((id) => `${id}@${kafkaHostname(id)}:${controllerPort}`).join(','),
    listeners: `PLAINTEXT://:${clientPort},BROKER://:${brokerPort},CONTROLLER://:${controllerPort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'BROKER',
  }
  return {
    CLUSTER_ID: clusterId,
    KAFKA_HEAP_OPTS: '-Xms64m -Xmx512m',
    ...Object.fromEntries(Object.entries(settings).map(([key, value]) => [environmentName(key), value])),
  }
}

/** How the image spells a Kafka setting as a variable: `log.dirs` is KAFKA_LOG_DIRS. */
export function environmentName(setting: string): string {
  const spelled = setting.replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_')
  return `KAFKA_${spelled.toUpperCase()}`
}
