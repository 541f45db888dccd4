import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Infra, openInfra } from '@signalbox/embedded/infra'
import { openSupervisor } from '@signalbox/embedded/supervisor'
import type { KafkaConfig } from '@signalbox/kafka/config'
import { z } from 'zod'
import { createServiceProcess, launchProgram, type ServiceProcess } from '@signalbox/testkit/service-process'

type ServiceName = 'processor' | 'alerts' | 'console' | 'ingress'

/** Signalbox as a whole: Kafka, Redis, the four services and the merchants' sinks, all real processes. */
export type Pipeline = AsyncDisposable & {
  infra: Infra
  /** Keys, files, logs and what the simulator has recorded; removed at the end. */
  folder: string
  services: Record<ServiceName, ServiceProcess>
  /** A further process of a service, not started; stopped with the others. */
  another(name: ServiceName, options?: { env?: Readonly<Record<string, string>> }): ServiceProcess
  sinks: ServiceProcess
  ingressUrl: string
  consoleUrl: string
  consoleToken: string
  /** For clients of this pipeline's Kafka. */
  kafka: KafkaConfig
  redis: { url: string; keyPrefix: string }
  /** Runs `signalbox <verb>` to its end. */
  signalbox(...args: readonly string[]): Promise<{ ended: string; output: string }>
  /** Runs a verb of the simulator to its end. */
  simulate(verb: string, options?: SimulatorOptions): Promise<SimulatorRun>
}

/** `hourMs: 2500` is given as `--hour-ms 2500`, `seeds: true` as `--seeds`. */
export type SimulatorOptions = Readonly<Record<string, string | number | true>>

export type SimulatorRun = { ended: Promise<string>; logFile: string }

/** One partition count for all topics of a run; small, so that a run of a minute fills each. */
const partitions = 4

const listening = z.object({ port: z.number().int().positive() })

/** Starts everything and waits until it is ready. Disposal stops services first, then what they use. */
export async function openPipeline(options: {
  env: Readonly<Record<string, string | undefined>>
  /** Options of the merchants' sinks, such as a delay before each answer. */
  sinks?: SimulatorOptions
  /** Further variables of the alerts, such as a mail server. */
  alertsEnv?: Readonly<Record<string, string>>
  /** Gives the alerts a Redis of their own, so that the view can be lost alone. */
  separateQueueRedis?: boolean
  onProgress?: (message: string) => void
}): Promise<Pipeline> {
  const progress = options.onProgress ?? (() => {})
  await using opened = new AsyncDisposableStack()

  progress('starting Kafka and Redis')
  const infra = opened.use(
    await openInfra({
      env: options.env,
      redisCount: options.separateQueueRedis ? 2 : 1,
      onProgress: progress,
    }),
  )
  const supervisor = opened.use(await openSupervisor({ keptFolder: null, name: 'run' }))
  const { folder } = supervisor
  const sandbox = join(folder, 'sandbox')
  await mkdir(sandbox)

  const keyPrefix = 'sb:'
  const [redisUrl, queueRedisUrl] = infra.redisUrls
  if (redisUrl === undefined) throw new Error('the infrastructure has no Redis')
  const kafka: KafkaConfig = {
    brokers: infra.kafkaBrokers,
    tls: false,
    partitions,
    replication: 1,
    createTopics: true,
  }

  let runs = 0
  const simulate = async (verb: string, given: SimulatorOptions = {}): Promise<SimulatorRun> => {
    const name = `simulator-${verb}-${++runs}`
    const main = 'services/simulator/src/main.ts'
    const run = await launchProgram({
      supervisor,
      name,
      folder,
      main,
      args: [verb, '--folder', sandbox, ...argumentsOf(given)],
    })
    return { ended: run.exited, logFile: run.logFile }
  }

  progress('writing keys and files of a sandbox client')
  const init = await simulate('init')
  const initialised = await init.ended
  if (initialised !== 'exit code 0') {
    throw new Error(`simulator init: ${initialised}\n${await readFile(init.logFile, 'utf8')}`)
  }

  const common = {
    KAFKA_BROKERS: infra.kafkaBrokers.join(','),
    KAFKA_CREATE_TOPICS: 'true',
    TOPIC_PARTITIONS: String(partitions),
    TOPIC_REPLICATION: String(kafka.replication),
    REDIS_URL: redisUrl,
    REDIS_KEY_PREFIX: keyPrefix,
    LISTEN_HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    OPS_PORT: '0',
  }
  const alerting = {
    ...(queueRedisUrl === undefined ? {} : { QUEUE_REDIS_URL: queueRedisUrl }),
    ENDPOINT_KEYS_FILE: join(sandbox, 'endpoint-keys.json'),
    ALERT_ALLOW_INSECURE_ENDPOINTS: 'true',
  }
  const ports = { ingress: 0, console: 0 }
  const environments: Record<ServiceName, () => Record<string, string>> = {
    ingress: () => ({
      ...common,
      CLIENTS_FILE: join(sandbox, 'clients.json'),
      INGRESS_PORT: String(ports.ingress),
    }),
    processor: () => common,
    alerts: () => ({
      ...common,
      ...alerting,
      ENDPOINTS_FILE: join(sandbox, 'endpoints.json'),
      ...options.alertsEnv,
    }),
    console: () => ({
      ...common,
      ...alerting,
      API_TOKENS_FILE: join(sandbox, 'tokens.json'),
      CONSOLE_PORT: String(ports.console),
    }),
  }
  const readyEvents: Record<ServiceName, string> = {
    processor: 'processor.started',
    alerts: 'alerts.started',
    console: 'console.listening',
    ingress: 'ingress.listening',
  }
  const service = (name: ServiceName, { as = name, env = {} }: { as?: string; env?: object } = {}) =>
    createServiceProcess({
      supervisor,
      name: as,
      folder,
      main: `services/${name}/src/main.ts`,
      environment: () => ({ ...environments[name](), ...env }),
      readyEvent: readyEvents[name],
    })
  const sinks = createServiceProcess({
    supervisor,
    name: 'sinks',
    folder,
    main: 'services/simulator/src/main.ts',
    args: ['sinks', '--folder', sandbox, '--port', '0', '--register', ...argumentsOf(options.sinks ?? {})],
    environment: () => ({}),
    readyEvent: 'sinks.listening',
  })
  const services: Record<ServiceName, ServiceProcess> = {
    processor: service('processor'),
    alerts: service('alerts'),
    console: service('console'),
    ingress: service('ingress'),
  }
  const others: ServiceProcess[] = []
  opened.defer(async () => {
    // Asked to stop in the order of the flow, so that each can finish what it took.
    for (const name of ['ingress', 'processor', 'alerts', 'console'] as const) await services[name].stop()
    for (const other of others) await other.stop()
    await sinks.stop()
  })

  progress('starting the merchants’ sinks, processor, alerts, console and ingress')
  await sinks.start() // it writes its address into the endpoints file, which alerts reads
  const [, , consoleReady, ingressReady] = await Promise.all([
    services.processor.start(),
    services.alerts.start(),
    services.console.start(),
    services.ingress.start(),
  ])
  // A restarted service comes back where its clients know it.
  ports.console = listening.parse(consoleReady).port
  ports.ingress = listening.parse(ingressReady).port

  const owned = opened.move()
  return {
    infra,
    folder: sandbox,
    services,
    another(name, given = {}) {
      const other = service(name, { as: `${name}-${others.length + 2}`, ...given })
      others.push(other)
      return other
    },
    sinks,
    ingressUrl: `http://127.0.0.1:${ports.ingress}`,
    consoleUrl: `http://127.0.0.1:${ports.console}`,
    consoleToken: (await readFile(join(sandbox, 'console-token'), 'utf8')).trim(),
    kafka,
    redis: { url: redisUrl, keyPrefix },
    async signalbox(...args) {
      const run = await launchProgram({
        supervisor,
        name: `signalbox-${args[0]}-${++runs}`,
        folder,
        main: 'services/cli/src/main.ts',
        args,
        environment: { ...common, CLIENTS_FILE: join(sandbox, 'clients.json') },
      })
      return { ended: await run.exited, output: await readFile(run.logFile, 'utf8') }
    },
    simulate,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

function argumentsOf(options: SimulatorOptions): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    return value === true ? [option] : [option, String(value)]
  })
}
