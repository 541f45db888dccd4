import { randomUUIDv7 } from 'node:crypto'
import { apiTokensFile } from '@signalbox/contracts/api-tokens-file'
import { topics } from '@signalbox/contracts/topics'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { openProducer } from '@signalbox/kafka/producer'
import { ensureTopics } from '@signalbox/kafka/topics'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { readJsonFile } from '@signalbox/runtime/files'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { readSigningKeys } from '@signalbox/webhook-sender/signing-keys'
import { createApp } from './app.ts'
import { createAppendCommands } from './append-command.ts'
import { createFindBearer } from './bearers.ts'
import { readConfig } from './config.ts'
import { createHousekeeping, keepHouseDaily } from './housekeeping.ts'
import { openInquiries } from './inquiry/inquiries.ts'
import { listen } from './listen.ts'
import { openEndpoints } from './open-endpoints.ts'

// Questions about registrations and quarantine in; answers out of the view in Redis, which the processor writes, and
// out of the topics. What an operator orders is appended to the raw topic; what is decided about endpoints, to theirs.
const stop = stopSignal({ service: 'console', deadlineMs: 10_000 })
const config = readConfig(process.env)
const tokens = readJsonFile(config.tokensFile, 'API_TOKENS_FILE', apiTokensFile)
const { signing: signingKey, publicKeySet } = readSigningKeys(config.signingKeysFile)
const log = createLogger('console', { level: config.logLevel })
const metrics = createMetrics('console')
const { partitions } = config.kafka
const now = Date.now

await using store = await openRegistrationStore({ ...config.redis, log })
const used = [topics.raw, topics.quarantine, ...(config.endpoints ? [topics.endpoints] : [])]
await ensureTopics(config.kafka, used, { log })
await using producer = await openProducer(config.kafka, { clientId: 'signalbox-console', log })
await using logReader = await openPartitionReader(config.kafka, { clientId: 'signalbox-console', log })

const appendCommands = createAppendCommands({
  producer,
  topic: topics.raw.name,
  partitions,
  createId: randomUUIDv7,
  now,
})
const keepHouse = createHousekeeping({ store, partitions, appendCommands, now, log })
void keepHouseDaily(keepHouse, { stop, log })

await using inquiries =
  config.inquiry &&
  (await openInquiries(
    { ...config.inquiry, redis: config.redis, partitions },
    { store, producer, log, metrics },
  ))

await using endpoints =
  config.endpoints &&
  (await openEndpoints(
    { ...config.endpoints, kafka: config.kafka, keyPrefix: config.redis.keyPrefix },
    { reader: logReader, producer, signingKey, log, now },
  ))

await using ops = await openOpsServer({
  ...config.ops,
  log,
  metrics,
  checks: {
    redis: store.ping,
    producer: () => producer.isReady(),
    ...(endpoints && { endpoints: () => endpoints.check() }),
    ...(inquiries && { inquiries: () => inquiries.check() }),
  },
})
await using app = createApp({
  store,
  logReader,
  producer,
  appendCommands,
  wishes: inquiries?.wishes ?? null,
  endpoints: endpoints?.ports ?? null,
  publicKeySet,
  partitions,
  findBearer: createFindBearer(tokens),
  log,
  metrics,
  now,
})
await listen(app, { ...config.api, log })

log.info({ opsPort: ops.port }, 'console.started')
await untilStopped(stop, endpoints ? [endpoints.failed] : [])
log.info('console.stopping')
