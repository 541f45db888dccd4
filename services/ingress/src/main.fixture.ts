import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const mainFile = fileURLToPath(new URL('main.ts', import.meta.url))

export type RunningIngress = AsyncDisposable & {
  process: ChildProcess
  /** All that it has written so far, both streams. */
  output(): string
  /** Its exit code; null when a signal ended it. */
  ended: Promise<number | null>
}

/** Runs the ingress as its users do: a process of its own, with these variables and no others. */
export function runIngress(env: Record<string, string>): RunningIngress {
  const child = spawn(process.execPath, [mainFile], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = once(child, 'close').then(() => child.exitCode)
  return {
    process: child,
    output: () => output,
    ended,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await ended
    },
  }
}

const listeningLine = z.object({ msg: z.literal('ingress.listening'), port: z.number() })

/** The port that takes notifications, once it is told; undefined until then. */
export function listeningPort(ingress: RunningIngress): number | undefined {
  const complete = ingress.output().split('\n').slice(0, -1)
  const lines = complete
    .filter((line) => line.startsWith('{'))
    .map((line) => listeningLine.safeParse(JSON.parse(line)))
  return lines.find(({ success }) => success)?.data?.port
}

/** The variables with which an integration test runs the ingress on the Kafka that all tests share. */
export function sharedKafkaEnvironment(options: {
  brokers: readonly string[]
  partitions: number
  clientsFile: string
}): Record<string, string> {
  return {
    KAFKA_BROKERS: options.brokers.join(','),
    KAFKA_CREATE_TOPICS: 'true',
    TOPIC_REPLICATION: '1',
    TOPIC_PARTITIONS: String(options.partitions),
    CLIENTS_FILE: options.clientsFile,
    LISTEN_HOST: '127.0.0.1',
    INGRESS_PORT: '0',
    OPS_PORT: '0',
  }
}
