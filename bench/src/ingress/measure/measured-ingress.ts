import { readFile } from 'node:fs/promises'
import type { Supervisor } from '@signalbox/embedded/supervisor'
import { createServiceProcess } from '@signalbox/testkit/service-process'
import { z } from 'zod'
import type { ObviousSettings } from '../variants/obvious-settings.ts'
import { type VariantName, variants } from '../variants/variants.ts'
import { readUsageOf, type Usage } from './process-usage.ts'

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

const shownLines = 20

let started = 0

/** Starts a variant with fresh processes; several of ours share their port. Their logs go to files. */
export async function startIngress(
  surroundings: Surroundings,
  { name, replicas = 1 }: { name: VariantName; replicas?: number },
): Promise<MeasuredIngress> {
  await using opening = new AsyncDisposableStack()
  const pids: number[] = []
  const logFiles: string[] = []
  let port = 0
  for (let n = 0; n < replicas; n++) {
    const variant = variants[name]
    const process = createServiceProcess({
      supervisor: tellingPids(surroundings.supervisor, (pid) => pids.push(pid)),
      name: `${name}-${(started += 1)}`,
      folder: surroundings.supervisor.folder,
      main: variant.main,
      args: name === 'obvious' ? [JSON.stringify(surroundings.obvious)] : [],
      environment: () =>
        name === 'ours' ? environmentOf(surroundings, { port, isShared: replicas > 1 }) : {},
      readyEvent: variant.readyEvent,
    })
    opening.defer(async () => void (await process.stop()))
    logFiles.push(process.logFile)
    port = listening.parse(await process.start()).port
  }
  const processes = opening.move()
  return {
    port,
    async usage() {
      try {
        return await readUsageOf(pids)
      } catch (cause) {
        const logs = await Promise.all(logFiles.map(lastLines))
        throw new Error(`${variants[name].title} has ended. Its last lines:\n${logs.join('\n')}`, { cause })
      }
    },
    [Symbol.asyncDispose]: () => processes.disposeAsync(),
  }
}

async function lastLines(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.slice(-shownLines).join('\n')
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

function tellingPids(supervisor: Supervisor, tell: (pid: number) => void): Supervisor {
  return {
    folder: supervisor.folder,
    async start(order) {
      const process = await supervisor.start(order)
      tell(process.pid)
      return process
    },
    [Symbol.asyncDispose]: () => supervisor[Symbol.asyncDispose](),
  }
}
