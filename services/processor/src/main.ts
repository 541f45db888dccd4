import { topics } from '@signalbox/contracts/topics'
import { openProducer } from '@signalbox/kafka/producer'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { readConfig } from './config.ts'
import { openProcessor } from './processor.ts'

// Raw notifications in; changes, states and what does not fit out; the view of all registrations in Redis.
const stop = stopSignal({ service: 'processor', deadlineMs: 10_000 })
const config = readConfig(process.env)
const log = createLogger('processor', { level: config.logLevel })
const metrics = createMetrics('processor')

await using store = await openRegistrationStore({ ...config.redis, log })
await using producer = await openProducer(config.kafka, { clientId: 'signalbox-processor', log })
await using processor = await openProcessor({
  kafka: config.kafka,
  topics: { raw: topics.raw, changes: topics.changes, state: topics.state, quarantine: topics.quarantine },
  groupId: 'signalbox-processor',
  store,
  producer,
  log,
  metrics,
})
await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    consumer: processor.state,
    producer: () => producer.isReady(),
    redis: store.ping,
  },
})

log.info({ opsPort: ops.port }, 'processor.started')
await untilStopped(stop, [processor.failed])
log.info('processor.stopping')
