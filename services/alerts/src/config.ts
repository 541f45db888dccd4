import { endpointsEnv } from '@signalbox/alert-endpoints/config'
import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { type Environment, milliseconds, parseEnvironment, runtimeEnv } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { networkEnv, networkPolicy } from '@signalbox/webhook-sender/config'
import { z } from 'zod'
import { standardBackoffMs } from './attempt/next-step.ts'
import { mailConfig, mailEnv } from './email/config.ts'

const dayMs = 24 * 60 * 60 * 1_000
const hourMs = dayMs / 24

const redisUrl = z.url({
  protocol: /^rediss?$/,
  error: 'it must read redis://host:port or rediss://host:port',
})

/** Every variable that the alerts service reads. */
export const alertsEnv = z.object({
  ...runtimeEnv({ opsPort: 9103 }),
  ...kafkaEnv,
  REDIS_URL: redisUrl
    .optional()
    .describe('Redis for alerts when QUEUE_REDIS_URL is not set, as redis://host:port, or rediss:// for TLS'),
  QUEUE_REDIS_URL: redisUrl
    .optional()
    .describe('Redis that holds the alerts in progress, as redis://host:port, or rediss:// for TLS'),
  REDIS_KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9:._-]*$/, 'it may hold letters, digits and : . _ -')
    .default('sb:')
    .describe('start of every key in that Redis'),
  ENDPOINTS_FILE: z
    .string()
    .optional()
    .describe(
      'JSON file with endpoints that this deployment declares (see the README); others are made by the API',
    ),
  ...endpointsEnv,
  WEBHOOK_SIGNING_KEYS_FILE: z
    .string()
    .optional()
    .describe('JSON file with the ed25519 keys of v1a signatures; without it there are none'),
  ...networkEnv,
  ...mailEnv,
  ALERT_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(100)
    .describe('calls to endpoints that one process makes at the same time'),
  ALERT_TIMEOUT_MS: milliseconds({ standard: 15_000, min: 100, max: 15_000 }).describe(
    'how long a call to an endpoint may take, 100 to 15000 ms; a process that is told to stop waits for it',
  ),
  ALERT_BACKOFF_MS: z
    .string()
    .default(standardBackoffMs.join(','))
    .transform((list) => list.split(',').map(Number))
    .pipe(z.array(z.int().min(100)).max(50))
    .describe('pauses between the attempts of an alert, as milliseconds separated by commas'),
  ALERT_ENDPOINT_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(4)
    .describe(
      'calls to one endpoint at the same time, by all processes, where the endpoint does not say otherwise; a quarter of ALERT_CONCURRENCY at most',
    ),
  ALERT_FAILURE_BUDGET_MS: milliseconds({ standard: 5 * dayMs, min: 1_000, max: 30 * dayMs }).describe(
    'how long an endpoint may fail without one success before it is disabled; its operators are warned at 50, 75 and 90 %',
  ),
  ALERT_PROBE_EVERY_MS: milliseconds({ standard: hourMs, min: 1_000, max: dayMs }).describe(
    'how often an alert is sent to an endpoint that was disabled for failing; an answer enables it again',
  ),
})

export type AlertsConfig = ReturnType<typeof readConfig>

/** @throws StartProblem, or an Error that names the variable */
export function readConfig(env: Environment) {
  const given = parseEnvironment('alerts', alertsEnv, env)
  const queueRedisUrl = given.QUEUE_REDIS_URL ?? given.REDIS_URL
  if (queueRedisUrl === undefined) {
    throw new StartProblem(
      'alerts cannot start: neither QUEUE_REDIS_URL nor REDIS_URL is set. Set one of them to redis://host:port.',
    )
  }
  return {
    logLevel: given.LOG_LEVEL,
    ops: { host: given.LISTEN_HOST, port: given.OPS_PORT },
    kafka: kafkaConfig(given),
    redisUrl: queueRedisUrl,
    keyPrefix: given.REDIS_KEY_PREFIX,
    endpointsFile: given.ENDPOINTS_FILE,
    endpointKeysFile: given.ENDPOINT_KEYS_FILE,
    signingKeysFile: given.WEBHOOK_SIGNING_KEYS_FILE,
    network: networkPolicy(given, { isProduction: given.SIGNALBOX_ENVIRONMENT === 'production' }),
    mail: mailConfig(given, { allowInsecure: given.ALERT_ALLOW_INSECURE_ENDPOINTS }),
    delivery: {
      concurrency: given.ALERT_CONCURRENCY,
      timeoutMs: given.ALERT_TIMEOUT_MS,
      backoffMs: given.ALERT_BACKOFF_MS,
      endpointConcurrency: given.ALERT_ENDPOINT_CONCURRENCY,
      failureBudgetMs: given.ALERT_FAILURE_BUDGET_MS,
      probeEveryMs: given.ALERT_PROBE_EVERY_MS,
    },
  }
}
