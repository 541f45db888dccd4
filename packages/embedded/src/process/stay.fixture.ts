// A parent for the tests that end it: opens the servers named in its arguments, prints where they are, and
// stays. With `orderly` it closes them on SIGINT, after a last question to show that they still serve.
import { openEmbeddedKafka } from '../kafka/embedded-kafka.ts'
import { openEmbeddedRedis } from '../redis/embedded-redis.ts'
import { readRedisPid } from '../redis/redis-pid.ts'

const wanted = new Set(process.argv.slice(2))
const servers = new AsyncDisposableStack()
const redis = servers.use(await openEmbeddedRedis())
const opened = [{ pid: redis.node.pid, folder: redis.folder }]
if (wanted.has('kafka')) {
  const kafka = servers.use(await openEmbeddedKafka({ brokers: 1 }))
  opened.push({ pid: kafka.nodes[0]?.pid, folder: kafka.folder })
}
if (wanted.has('orderly')) {
  process.once('SIGINT', () => void closeInOrder())
}
process.stdout.write(`${JSON.stringify(opened)}\n`)

async function closeInOrder(): Promise<void> {
  await readRedisPid({ host: '127.0.0.1', port: redis.node.port })
  await servers.disposeAsync()
  process.stdout.write('closed in order\n')
}
