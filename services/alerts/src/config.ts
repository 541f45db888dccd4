import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { type Environment, flag, milliseconds, parseEnvironment, runtimeEnv } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { standardBackoffMs } from './attempt/next-step.ts'

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
    .describe('JSON file with the endpoints that are told about changes (see the README)'),
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
  ALERT_ALLOW_INSECURE_ENDPOINTS: flag().describe(
    'true allows endpoints with plain HTTP or in private networks, for tests',
  ),
})

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
    redis: { url: queueRedisUrl, keyPrefix: given.REDIS_KEY_PREFIX },
    endpointsFile: given.ENDPOINTS_FILE,
    endpoints: { allowInsecure: given.ALERT_ALLOW_INSECURE_ENDPOINTS },
    delivery: {
      concurrency: given.ALERT_CONCURRENCY,
      timeoutMs: given.ALERT_TIMEOUT_MS,
      backoffMs: given.ALERT_BACKOFF_MS,
    },
  }
}
