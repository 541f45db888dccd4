import { topics } from '@signalbox/contracts/topics'
import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { type Environment, milliseconds, parseEnvironment, port, runtimeEnv } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { overrun, smallBodyBytes } from './overload/gate.ts'

/** A record is the body and at most 16 KiB of request headers; it must fit into the topic. */
const roomForHeadersBytes = 64 * 1024
/** The sender retries for 24 h 22 min; a younger limit on age may refuse his last attempts. */
const retryScheduleMs = (24 * 60 + 22) * 60_000

const count = (limits: { standard: number; min: number; max: number }) =>
  z.coerce.number().int().min(limits.min).max(limits.max).default(limits.standard)

/** Every variable that the ingress reads. */
export const ingressEnv = z.object({
  ...runtimeEnv({ opsPort: 9101 }),
  ...kafkaEnv,
  CLIENTS_FILE: z
    .string()
    .describe(
      'JSON file with the clients that may send, their paths and keys (see the README); read again when it changes',
    ),
  INGRESS_PORT: port(8080).describe('port that takes notifications; 0 takes a free one'),
  INGRESS_SHARED_PORT: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true')
    .describe('true lets several ingress processes of one host listen on the same port (Linux)'),
  ACK_DEADLINE_MS: milliseconds({ standard: 3_000, min: 100, max: 5_000 }).describe(
    'how long a notification may wait for Kafka, 100 to 5000 ms; past it the sender is told to come again',
  ),
  BODY_LIMIT_BYTES: count({
    standard: 4 * 1024 * 1024,
    min: 1_024,
    max: topics.raw.maxMessageBytes - roomForHeadersBytes,
  }).describe('largest body taken, in bytes; it must fit into a record of the raw topic'),
  MAX_REQUEST_AGE_MS: z.coerce
    .number()
    .int()
    .min(60_000)
    .optional()
    .describe(
      'refuses signed notifications with an older Request-Time (kept in quarantine), in milliseconds; not set means ' +
        `any age; below ${retryScheduleMs} it may refuse retries`,
    ),
  PUBLIC_PATH_PREFIX: z
    .string()
    .regex(/^(?:\/[^/?#\s]+)*$/, 'a prefix starts with / and does not end with it')
    .optional()
    .describe(
      'what a proxy in front takes off the path before it passes requests on; put back before signatures are verified',
    ),
  TRUSTED_PROXIES: z
    .string()
    .transform((list) => list.split(',').map((address) => address.trim()))
    .pipe(z.array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])))
    .optional()
    .describe(
      'addresses or networks of the proxies in front, separated by commas; only their X-Forwarded-For is believed, ' +
        'and only for the log',
    ),
  TLS_CERT_FILE: z
    .string()
    .optional()
    .describe(
      'PEM file with the certificate and its chain, to serve HTTPS without a proxy; read again when it changes',
    ),
  TLS_KEY_FILE: z.string().optional().describe('PEM file with the private key of TLS_CERT_FILE'),
  HEADERS_TIMEOUT_MS: milliseconds({ standard: 5_000, min: 500, max: 60_000 }).describe(
    'how long the head of a request may take to arrive',
  ),
  REQUEST_TIMEOUT_MS: milliseconds({ standard: 10_000, min: 500, max: 120_000 }).describe(
    'how long a whole request may take to arrive',
  ),
  KEEP_ALIVE_TIMEOUT_MS: milliseconds({ standard: 65_000, min: 1_000, max: 600_000 }).describe(
    'how long an idle connection is kept; longer than that of a proxy in front',
  ),
  MAX_CONNECTIONS: count({ standard: 4_000, min: 1, max: 100_000 }).describe('connections at a time'),
  MAX_REQUESTS_PER_CONNECTION: count({ standard: 1_000, min: 1, max: 1_000_000 }).describe(
    'requests after which a connection is closed, so that load moves to new replicas',
  ),
  MAX_WAITING: count({ standard: 2_000, min: 8, max: 10_000 }).describe(
    'notifications that may wait for Kafka at a time, twice that for clients below their share; adapts between 8 and this',
  ),
  MAX_BYTES_IN_FLIGHT: z.coerce
    .number()
    .int()
    .min(1024 * 1024)
    .optional()
    .describe(
      'bytes of bodies above 16 KiB that may be arriving, and as many again that may wait for Kafka, twice that for clients below their share; not set means 16 times BODY_LIMIT_BYTES',
    ),
})

/** @throws StartProblem, or an Error that names the variable */
export function readConfig(env: Environment) {
  const given = parseEnvironment('ingress', ingressEnv, env)
  const maxBytes = given.MAX_BYTES_IN_FLIGHT ?? 16 * given.BODY_LIMIT_BYTES
  if (maxBytes < given.BODY_LIMIT_BYTES) {
    throw new StartProblem(
      `MAX_BYTES_IN_FLIGHT is ${maxBytes}, but one body may have ${given.BODY_LIMIT_BYTES} bytes (BODY_LIMIT_BYTES) ` +
        'and would never be taken. Raise the first or lower the second.',
    )
  }
  const maxRequestAgeMs = given.MAX_REQUEST_AGE_MS ?? null
  return {
    warnings:
      maxRequestAgeMs !== null && maxRequestAgeMs < retryScheduleMs
        ? [
            `MAX_REQUEST_AGE_MS is ${maxRequestAgeMs}: a sender who repeats his Request-Time is refused for good ` +
              `before his retries end, after ${retryScheduleMs} ms`,
          ]
        : [],
    logLevel: given.LOG_LEVEL,
    ops: { host: given.LISTEN_HOST, port: given.OPS_PORT },
    http: {
      listening: {
        host: given.LISTEN_HOST,
        port: given.INGRESS_PORT,
        sharesPort: given.INGRESS_SHARED_PORT,
      },
      tls: { certFile: given.TLS_CERT_FILE, keyFile: given.TLS_KEY_FILE },
      limits: {
        headersTimeoutMs: given.HEADERS_TIMEOUT_MS,
        requestTimeoutMs: given.REQUEST_TIMEOUT_MS,
        keepAliveTimeoutMs: given.KEEP_ALIVE_TIMEOUT_MS,
        maxConnections: given.MAX_CONNECTIONS,
        maxRequestsPerConnection: given.MAX_REQUESTS_PER_CONNECTION,
      },
    },
    requests: {
      bodyLimitBytes: given.BODY_LIMIT_BYTES,
      publicPathPrefix: given.PUBLIC_PATH_PREFIX ?? '',
      trustedProxies: given.TRUSTED_PROXIES ?? [],
    },
    gate: { maxWaiting: given.MAX_WAITING, maxBytes },
    // The gate refuses first; these only bound what it let through.
    queue: {
      maxQueuedRecords: 2 * overrun * given.MAX_WAITING,
      maxQueuedBytes: 2 * overrun * (maxBytes + given.MAX_WAITING * smallBodyBytes),
    },
    acknowledging: { ackDeadlineMs: given.ACK_DEADLINE_MS, maxRequestAgeMs },
    kafka: kafkaConfig(given),
    clientsFile: given.CLIENTS_FILE,
  }
}
