import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { topics } from '@signalbox/contracts/topics'
import { type Faults, openInfra, requireFaults } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { readTopic } from '@signalbox/kafka/log-reader'
import { type PreparedRequests, prepareRequests } from '@signalbox/testkit/prepared-requests'
import { createServiceProcess } from '@signalbox/testkit/service-process'
import { createTestClient, type TestClient } from '@signalbox/testkit/signed-notification'
import { z } from 'zod'

/** Kafka and one ingress in front of it, all real processes, with clients whose keys are in hand. */
export type IngressUnderLoad = AsyncDisposable & {
  /** Keys, prepared requests and logs; removed at the end. */
  folder: string
  brokers: Faults['kafka']
  clients: readonly TestClient[]
  port: number
  opsPort: number
  pid: number
  /** How many notifications it has acknowledged by now, by its own count. */
  acknowledged(): Promise<number>
  /** The bodies in the raw topic and in quarantine, in no order, read to their ends. */
  readStored(): Promise<{ raw: string[]; quarantined: string[] }>
}

const partitions = 12
const lastLines = 20
const started = z.object({ port: z.number(), opsPort: z.number() })

/** Starts everything and waits until the ingress takes notifications. Disposal stops the ingress first. */
export async function openIngressUnderLoad(options: {
  env: Readonly<Record<string, string | undefined>>
  brokers: 1 | 3
  clientIds: readonly string[]
  /** Environment variables of the ingress beyond those it needs to start. */
  settings?: Readonly<Record<string, string>>
}): Promise<IngressUnderLoad> {
  await using opened = new AsyncDisposableStack()
  const infra = opened.use(await openInfra({ env: options.env, brokers: options.brokers, redisCount: 0 }))
  const { kafka: brokers } = requireFaults(infra)
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'ingress-under-load' }))
  const folder = join(supervisor.folder, 'sandbox')
  await mkdir(folder)
  const { clients, file } = await createClients(folder, options.clientIds)
  const kafka: KafkaConfig = {
    brokers: infra.kafkaBrokers,
    tls: false,
    partitions,
    replication: options.brokers,
    createTopics: true,
  }

  let pid = 0
  const ingress = createServiceProcess({
    supervisor: {
      ...supervisor,
      async start(order) {
        const running = await supervisor.start(order)
        pid = running.pid
        return running
      },
    },
    name: 'ingress',
    folder,
    main: 'services/ingress/src/main.ts',
    environment: () => ({
      KAFKA_BROKERS: kafka.brokers.join(','),
      KAFKA_CREATE_TOPICS: 'true',
      TOPIC_PARTITIONS: String(partitions),
      TOPIC_REPLICATION: String(kafka.replication),
      CLIENTS_FILE: file,
      LISTEN_HOST: '127.0.0.1',
      INGRESS_PORT: '0',
      OPS_PORT: '0',
      ...options.settings,
    }),
    readyEvent: 'ingress.started',
  })
  opened.defer(async () => {
    const ended = await ingress.stop()
    if (ended === 'exit code 0') return
    const lines = (await readFile(ingress.logFile, 'utf8')).split('\n').slice(-lastLines)
    throw new Error(
      `the ingress should have run until now and stop when asked, but: ${ended}\n${lines.join('\n')}`,
    )
  })
  const { port, opsPort } = started.parse(await ingress.start())

  const owned = opened.move()
  return {
    folder,
    brokers,
    clients,
    port,
    opsPort,
    pid,
    async acknowledged() {
      const response = await fetch(`http://127.0.0.1:${opsPort}/metrics`)
      const text = await response.text()
      return Number(/^notifications_answered_total\{[^}]*code="SUCCESS"[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0)
    },
    async readStored() {
      const [raw, quarantined] = await Promise.all(
        [topics.raw, topics.quarantine].map(async ({ name }) => {
          const records = await readTopic(kafka, name)
          return records.map(({ value }) => value?.toString('utf8') ?? '')
        }),
      )
      return { raw: raw ?? [], quarantined: quarantined ?? [] }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Notifications of one client, no two alike, ready to be sent. */
export type Notifications = PreparedRequests & { body: (n: number) => string }

/** Signs notifications that nobody else sends: each names a merchant of its own, so they fall into all partitions. */
export async function prepareNotifications(options: {
  folder: string
  client: TestClient
  count: number
}): Promise<Notifications> {
  const { client, count } = options
  const body = (n: number) =>
    JSON.stringify({
      registrationRequestId: `2020091811058602000006001420${String(n).padStart(6, '0')}`,
      referenceMerchantId: `${client.clientId}-${n}`,
      registrationResult: { registrationStatus: 'PENDING' },
      pspRegistrationResultList: [
        {
          productCodes: ['CASHIER_PAYMENT'],
          pspName: 'ALIPAY_CN',
          registrationResult: { registrationStatus: 'PENDING' },
        },
      ],
    })
  const file = join(options.folder, `${client.clientId}.requests`)
  const prepared = await prepareRequests({ file, count, signer: client.signer, uri: client.uri, body })
  return { ...prepared, body }
}

/** Key pairs for each, and one clients file that names them all. */
async function createClients(
  folder: string,
  clientIds: readonly string[],
): Promise<{ clients: TestClient[]; file: string }> {
  const clients: TestClient[] = []
  const entries: z.input<typeof clientsFile>['clients'] = []
  for (const clientId of clientIds) {
    const client = await createTestClient(folder, { clientId })
    clients.push(client)
    entries.push(...clientsFile.parse(JSON.parse(await readFile(client.clientsFile, 'utf8'))).clients)
  }
  const file = join(folder, 'all-clients.json')
  await writeFile(file, JSON.stringify({ clients: entries }))
  return { clients, file }
}
