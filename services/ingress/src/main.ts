import { randomUUIDv7 } from 'node:crypto'
import { topics } from '@signalbox/contracts/topics'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { openClientRing } from '@signalbox/key-ring/client-ring'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { readConfig } from './config.ts'
import { createApp } from './http/app.ts'
import { connectionOptions, openHttpServer } from './http/http-server.ts'
import { openCertificate } from './http/tls.ts'
import { createKeepNotification } from './notification/keep-notification.ts'
import { openVerifier } from './notification/open-verifier.ts'
import { openGate } from './overload/open-gate.ts'
import { createReport } from './report.ts'

// Signed notifications in; their exact bytes into Kafka; a signed answer out once Kafka has confirmed them.
const stop = stopSignal({ service: 'ingress', deadlineMs: 10_000 })
const config = readConfig(process.env)
const log = createLogger('ingress', { level: config.logLevel })
const metrics = createMetrics('ingress')
for (const warning of config.warnings) log.warn({ warning }, 'ingress.configured')
await using clients = openClientRing({ file: config.clientsFile, log, metrics })
const certificate = await openCertificate(config.http.tls, { log })

await ensureTopics(config.kafka, [topics.raw, topics.quarantine], { log })
await using producer = await openProducer(config.kafka, {
  clientId: 'signalbox-ingress',
  log,
  ...config.queue,
})
await using verifier = openVerifier()
using gate = openGate(config.gate, producer.oldestWaitMs)
const report = createReport({ log, metrics, gate, now: Date.now })
await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    producer: () => producer.isReady(),
    clients: () => clients.check(),
    load: () => gate.check(),
    ...(certificate === null ? {} : { tls: () => certificate.check() }),
    running: () => ({ ok: !stop.aborted, detail: stop.aborted ? 'stopping' : 'running' }),
  },
})
const keepNotification = createKeepNotification({
  notifications: producer,
  verify: verifier.verify,
  gate,
  partitions: config.kafka.partitions,
  ...config.acknowledging,
  createId: randomUUIDv7,
  now: Date.now,
})
const app = createApp({
  clients: clients.current,
  keepNotification,
  gate,
  connection: connectionOptions({ limits: config.http.limits, certificate, onUnparsable: report.unparsable }),
  ...config.requests,
  report,
  now: Date.now,
})
await using server = await openHttpServer(app, {
  ...config.http.listening,
  log,
  onDropped: report.dropped,
})

setInterval(() => report.tellUnwritten(), 1_000).unref()
log.info({ port: server.port, opsPort: ops.port }, 'ingress.started')
await untilStopped(stop, [verifier.failed])
log.info('ingress.stopping')
