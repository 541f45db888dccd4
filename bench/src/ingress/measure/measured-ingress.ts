import type { Supervisor } from '@signalbox/embedded/supervisor'
import { z } from 'zod'
import { type MeasuredProcess, startMeasured } from '../../measure/measured-process.ts'
import { sumOfUsage, type Usage } from '../../measure/process-usage.ts'
import type { ObviousSettings } from '../variants/obvious-settings.ts'
import { type VariantName, variants } from '../variants/variants.ts'

/** Where the processes to be measured find what they need. */
export type Surroundings = {
  supervisor: Supervisor
  clientsFile: string
  kafkaBrokers: readonly string[]
  partitions: number
  obvious: ObviousSettings
}

/** One or more processes of a variant that take requests on one port. Disposal asks them to stop. */
export type MeasuredIngress = AsyncDisposable & {
  port: number
  /** Of all its processes together. @throws with the last lines of its log when one has ended */
  usage(): Promise<Usage>
}

const listening = z.object({ port: z.number().int().positive() })

/** Starts a variant with fresh processes; several of ours share their port. Their logs go to files. */
export async function startIngress(
  surroundings: Surroundings,
  { name, replicas = 1 }: { name: VariantName; replicas?: number },
): Promise<MeasuredIngress> {
  await using opening = new AsyncDisposableStack()
  const all: MeasuredProcess[] = []
  let port = 0
  for (let n = 0; n < replicas; n++) {
    const { main, readyEvent } = variants[name]
    const process = opening.use(
      await startMeasured({
        supervisor: surroundings.supervisor,
        name,
        main,
        args: name === 'obvious' ? [JSON.stringify(surroundings.obvious)] : [],
        environment: name === 'ours' ? environmentOf(surroundings, { port, isShared: replicas > 1 }) : {},
        readyEvent,
      }),
    )
    all.push(process)
    port = listening.parse(process.ready).port
  }
  const processes = opening.move()
  return {
    port,
    usage: async () => sumOfUsage(await Promise.all(all.map((process) => process.usage()))),
    [Symbol.asyncDispose]: () => processes.disposeAsync(),
  }
}

/** Everything as in production: its limits, its metrics, and a log line for every notification. */
function environmentOf(
  { clientsFile, kafkaBrokers, partitions }: Surroundings,
  { port, isShared }: { port: number; isShared: boolean },
): Record<string, string> {
  return {
    KAFKA_BROKERS: kafkaBrokers.join(','),
    KAFKA_CREATE_TOPICS: 'true',
    TOPIC_PARTITIONS: String(partitions),
    TOPIC_REPLICATION: '1',
    CLIENTS_FILE: clientsFile,
    LISTEN_HOST: '127.0.0.1',
    INGRESS_PORT: String(port),
    INGRESS_SHARED_PORT: String(isShared),
    OPS_PORT: '0',
    LOG_LEVEL: 'info',
  }
}
