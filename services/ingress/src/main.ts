import { randomUUIDv7 } from 'node:crypto'
import { topics } from '@signalbox/contracts/topics'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { createApp } from './http/app.ts'
import { loadClientDirectory } from '@signalbox/key-ring/client-directory'
import { readConfig } from './config.ts'
import { openHttpServer } from './http/http-server.ts'
import { createKeepNotification } from './notification/keep-notification.ts'
import { createReport } from './report.ts'

// Signed notifications in; their exact bytes into Kafka; a signed answer out once Kafka has confirmed them.
const stop = stopSignal({ service: 'ingress', deadlineMs: 10_000 })
const config = readConfig(process.env)
const log = createLogger('ingress', { level: config.logLevel })
const metrics = createMetrics('ingress')
const report = createReport({ log, metrics })
const directory = loadClientDirectory(config.clientsFile)

await ensureTopics(config.kafka, [topics.raw, topics.quarantine], { log })
await using producer = await openProducer(config.kafka, { clientId: 'signalbox-ingress', log })
await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    producer: () => producer.isReady(),
    clients: () => ({ ok: true, detail: `${directory.clientCount} clients` }),
    running: () => ({ ok: !stop.aborted, detail: stop.aborted ? 'stopping' : 'running' }),
  },
})
const app = createApp({
  clients: () => directory,
  keepNotification: createKeepNotification({
    notifications: report.watch(producer),
    partitions: config.kafka.partitions,
    ackDeadlineMs: config.ackDeadlineMs,
    createId: randomUUIDv7,
  }),
  bodyLimitBytes: config.bodyLimitBytes,
  report,
  now: Date.now,
})
await using server = await openHttpServer(app, { ...config.http, log })

log.info({ port: server.port, opsPort: ops.port }, 'ingress.started')
await untilStopped(stop)
log.info('ingress.stopping')
