import { topics } from '@signalbox/contracts/topics'
import { kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { type Environment, milliseconds, parseEnvironment, port, runtimeEnv } from '@signalbox/runtime/config'
import { z } from 'zod'

/** A record is the body and at most 16 KiB of request headers; it must fit into the topic. */
const roomForHeadersBytes = 64 * 1024

/** Every variable that the ingress reads. */
export const ingressEnv = z.object({
  ...runtimeEnv({ opsPort: 9101 }),
  ...kafkaEnv,
  CLIENTS_FILE: z
    .string()
    .describe('JSON file with the clients that may send, their paths and keys (see the README)'),
  INGRESS_PORT: port(8080).describe('port that takes notifications; 0 takes a free one'),
  ACK_DEADLINE_MS: milliseconds({ standard: 3_000, min: 100, max: 5_000 }).describe(
    'how long a notification may wait for Kafka, 100 to 5000 ms; past it the sender is told to come again',
  ),
  BODY_LIMIT_BYTES: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(topics.raw.maxMessageBytes - roomForHeadersBytes)
    .default(4 * 1024 * 1024)
    .describe('largest body taken, in bytes; it must fit into a record of the raw topic'),
})

/** @throws StartProblem, or an Error that names the variable */
export function readConfig(env: Environment) {
  const given = parseEnvironment('ingress', ingressEnv, env)
  return {
    logLevel: given.LOG_LEVEL,
    ops: { host: given.LISTEN_HOST, port: given.OPS_PORT },
    http: { host: given.LISTEN_HOST, port: given.INGRESS_PORT },
    kafka: kafkaConfig(given),
    clientsFile: given.CLIENTS_FILE,
    ackDeadlineMs: given.ACK_DEADLINE_MS,
    bodyLimitBytes: given.BODY_LIMIT_BYTES,
  }
}
