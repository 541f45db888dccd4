import { type Infra, openInfra } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import { parseRawHeaders, type RawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { type ConsumedRecord, readTopic } from '@signalbox/kafka/log-reader'
import { createServiceProcess } from '@signalbox/testkit/service-process'
import { z } from 'zod'
import { type Clients, createClients } from './clients.fixture.ts'

/** What a topic holds of one notification; `reason` only in quarantine. */
export type KeptRecord = { headers: RawHeaders; body: Buffer; reason: string | null }

/** Kafka and real ingress processes over it, all with the same clients file. */
export type Ingresses<Name extends string> = AsyncDisposable & {
  infra: Infra
  clients: Clients
  portOf(name: Name): number
  /** What the topics hold now; both are private to this run. */
  readKept(): Promise<{ raw: KeptRecord[]; quarantine: KeptRecord[] }>
}

const partitions = 4
const listening = z.object({ port: z.number().int().positive() })

/** Opens Kafka and one ingress for each name, with these variables besides the common ones. */
export async function openIngresses<Name extends string>({
  env,
  settings,
}: {
  env: Readonly<Record<string, string | undefined>>
  settings: ReadonlyMap<Name, Readonly<Record<string, string>>>
}): Promise<Ingresses<Name>> {
  await using opened = new AsyncDisposableStack()
  const infra = opened.use(await openInfra({ env, redisCount: 0 }))
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'ingress' }))
  const { folder } = supervisor
  const { clients, clientsFile } = await createClients(folder)
  const kafka: KafkaConfig = {
    brokers: infra.kafkaBrokers,
    tls: false,
    partitions,
    replication: 1,
    createTopics: true,
  }
  const common = {
    KAFKA_BROKERS: infra.kafkaBrokers.join(','),
    KAFKA_CREATE_TOPICS: 'true',
    TOPIC_PARTITIONS: String(partitions),
    TOPIC_REPLICATION: '1',
    LISTEN_HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    OPS_PORT: '0',
    INGRESS_PORT: '0',
    CLIENTS_FILE: clientsFile,
  }
  const ports = new Map<Name, number>()
  const starting = [...settings].map(async ([name, variables]) => {
    const ingress = createServiceProcess({
      supervisor,
      name,
      folder,
      main: 'services/ingress/src/main.ts',
      environment: () => ({ ...common, ...variables }),
      readyEvent: 'ingress.listening',
    })
    opened.defer(async () => {
      await ingress.stop()
    })
    ports.set(name, listening.parse(await ingress.start()).port)
  })
  await Promise.all(starting)

  const owned = opened.move()
  return {
    infra,
    clients,
    portOf(name) {
      const port = ports.get(name)
      if (port === undefined) throw new Error(`there is no ingress ${name}`)
      return port
    },
    async readKept() {
      const [raw, quarantine] = await Promise.all([
        readTopic(kafka, topics.raw.name),
        readTopic(kafka, topics.quarantine.name),
      ])
      return { raw: raw.map(keptRecord), quarantine: quarantine.map(keptRecord) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function keptRecord({ headers, value }: ConsumedRecord): KeptRecord {
  const read = parseRawHeaders(headers)
  if (read === null || value === null) throw new Error('a record is none of an ingress of this contract')
  return { headers: read, body: value, reason: headers.get('dlq-error-code')?.toString('utf8') ?? null }
}
