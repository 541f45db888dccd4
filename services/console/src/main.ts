import { apiTokensFile } from '@signalbox/contracts/api-tokens-file'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { readJsonFile } from '@signalbox/runtime/files'
import { createLogger } from '@signalbox/runtime/log'
import { createMetrics } from '@signalbox/runtime/metrics'
import { openOpsServer } from '@signalbox/runtime/ops-server'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { createApp } from './app.ts'
import { createFindBearer } from './bearers.ts'
import { readConfig } from './config.ts'
import { listen } from './listen.ts'

// Questions about registrations in; answers out of the view in Redis, which the processor writes.
const stop = stopSignal({ service: 'console', deadlineMs: 10_000 })
const config = readConfig(process.env)
const tokens = readJsonFile(config.tokensFile, 'API_TOKENS_FILE', apiTokensFile)
const log = createLogger('console', { level: config.logLevel })
const metrics = createMetrics('console')

await using store = await openRegistrationStore({ ...config.redis, log })
await using ops = await openOpsServer({ ...config.ops, log, metrics, checks: { redis: store.ping } })
await using app = createApp({
  store,
  partitions: config.partitions,
  findBearer: createFindBearer(tokens),
  log,
  metrics,
})
await listen(app, { ...config.api, log })

log.info({ opsPort: ops.port }, 'console.started')
await untilStopped(stop)
log.info('console.stopping')
