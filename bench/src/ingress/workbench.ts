import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { topics } from '@signalbox/contracts/topics'
import { openInfra } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createLogger } from '@signalbox/runtime/log'
import type { PreparedRequests } from '@signalbox/testkit/prepared-requests'
import type { TestClient } from '@signalbox/testkit/signed-notification'
import { pidsOf } from '../measure/process-usage.ts'
import type { Surroundings } from './measure/measured-ingress.ts'
import { createBenchClient, prepareNotifications } from './notifications.ts'

/** Everything that all variants of a run share: one Kafka, one client, the same signed notifications. */
export type Workbench = AsyncDisposable & {
  surroundings: Surroundings
  client: TestClient
  /** Under which every answer must verify. */
  answerKey: string
  requests: PreparedRequests
  /** None when Kafka is no process of this run. */
  brokerPids: readonly number[]
}

/** Starts Kafka and signs the notifications. Disposal ends and removes everything. */
export async function openWorkbench(options: {
  env: Readonly<Record<string, string | undefined>>
  notifications: number
  partitions: number
  verifyCost: number
  progress: (message: string) => void
}): Promise<Workbench> {
  const { env, notifications, partitions, verifyCost, progress } = options
  await using opened = new AsyncDisposableStack()
  progress('starting Kafka')
  const infra = opened.use(await openInfra({ env, redisCount: 0, forLoad: true, onProgress: progress }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'bench' }))
  const folder = join(supervisor.folder, 'client')
  await mkdir(folder)
  const client = await createBenchClient(folder, { verifyCost })
  progress(`signing ${notifications} notifications`)
  const requests = await prepareNotifications(client, {
    folder,
    count: notifications,
    onProgress: (signed) => progress(`signed ${signed}`),
  })
  const kafka = { brokers: infra.kafkaBrokers, tls: false, partitions, replication: 1, createTopics: true }
  const log = createLogger('bench', { level: 'silent' })
  await ensureTopics(kafka, [topics.raw, topics.quarantine], { log })
  const resources = opened.move()
  return {
    surroundings: {
      supervisor,
      clientsFile: client.clientsFile,
      kafkaBrokers: infra.kafkaBrokers,
      partitions,
      obvious: {
        brokers: infra.kafkaBrokers,
        topic: topics.raw.name,
        clientId: client.clientId,
        uri: client.uri,
        keyVersion: client.keyVersion,
        alipayPublicKey: client.alipayPublicKey.export({ type: 'spki', format: 'pem' }).toString(),
        ownPrivateKeyFile: join(folder, 'keys', `${client.clientId}.pem`),
      },
    },
    client,
    answerKey: client.ownPublicKey.export({ type: 'spki', format: 'pem' }).toString(),
    requests,
    brokerPids: pidsOf(infra.faults?.kafka ?? []),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
