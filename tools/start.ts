// Runs the four services against the Kafka and Redis of the environment, each as a process of its own, until
// Ctrl-C or until one of them ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const services = ['processor', 'alerts', 'console', 'ingress']
const root = join(import.meta.dirname, '..')

if (process.argv.includes('--help')) {
  process.stdout.write(`npm start

Runs ${services.join(', ')} against the Kafka (KAFKA_BROKERS) and Redis (REDIS_URL) of the environment.
A file .env beside package.json is read first; .env.example lists every variable. Ctrl-C ends all of them.
To see Signalbox work without any Kafka or Redis: npm run demo
`)
  process.exit(0)
}

if (existsSync(join(root, '.env'))) process.loadEnvFile(join(root, '.env'))

const running = new Map<string, ChildProcess>()
let stopping = false

for (const service of services) {
  const child = spawn(process.execPath, [join(root, 'services', service, 'src', 'main.ts')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  running.set(service, child)
  child.on('exit', (code, signal) => {
    running.delete(service)
    if (!stopping) {
      process.exitCode = 1
      process.stderr.write(`${service} ended (${signal ?? code}); stopping the others.\n`)
      stopAll('SIGTERM')
    }
  })
}

process.on('SIGINT', () => stopAll('SIGINT'))
process.on('SIGTERM', () => stopAll('SIGTERM'))

function stopAll(signal: NodeJS.Signals) {
  if (stopping) return
  stopping = true
  for (const child of running.values()) child.kill(signal)
}
