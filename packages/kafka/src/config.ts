import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** How to reach Kafka, and how this deployment's topics are made. */
export type KafkaConfig = {
  /** `host:port` of the brokers asked first. */
  brokers: string[]
  tls: boolean
  sasl?: Login
  /** Partitions that every topic of this deployment has. */
  partitions: number
  /** Copies of every partition of a topic created by a service. */
  replication: number
  /** A service creates missing topics at start. */
  createTopics: boolean
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

type Login = {
  [M in (typeof mechanisms)[number]]: { mechanism: M; username: string; password: string }
}[(typeof mechanisms)[number]]

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((value) => value === 'true')

/** The environment variables of everything that talks to Kafka, to be spread into a service's schema. */
export const kafkaEnv = {
  KAFKA_BROKERS: z
    .string()
    .transform((list) => list.split(',').map((broker) => broker.trim()))
    .pipe(
      z.array(
        z
          .string()
          .regex(/^[^\s:,]+:[0-9]{1,5}$/, 'each broker must read host:port, for example 127.0.0.1:9092'),
      ),
    )
    .describe('Kafka brokers asked first, as host:port separated by commas'),
  KAFKA_TLS: flag.describe(
    'true encrypts the connections to Kafka; a private certificate authority goes into NODE_EXTRA_CA_CERTS',
  ),
  KAFKA_SASL_MECHANISM: z
    .enum(mechanisms)
    .optional()
    .describe('how to log in to Kafka: plain, scram-sha-256 or scram-sha-512; not set means without login'),
  KAFKA_SASL_USERNAME: z.string().optional().describe('user of the login to Kafka'),
  KAFKA_SASL_PASSWORD_FILE: z
    .string()
    .optional()
    .describe('file that holds the password of the login to Kafka; white space around it is ignored'),
  TOPIC_PARTITIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(12)
    .describe('partitions of every topic; fixed for good when the topics are created'),
  TOPIC_REPLICATION: z.coerce
    .number()
    .int()
    .min(1)
    .max(9)
    .default(3)
    .describe('copies of every partition of a topic created by a service; a single broker needs 1'),
  KAFKA_CREATE_TOPICS: flag.describe('true lets a service create missing topics at start'),
}

type KafkaVariables = z.output<z.ZodObject<typeof kafkaEnv>>

/**
 * Turns the parsed variables into the configuration and reads the password file.
 *
 * @throws an Error that names the variable when the login is incomplete or its file cannot be read
 */
export function kafkaConfig(env: KafkaVariables): KafkaConfig {
  const sasl = login(env)
  return {
    brokers: env.KAFKA_BROKERS,
    tls: env.KAFKA_TLS,
    ...(sasl === undefined ? {} : { sasl }),
    partitions: env.TOPIC_PARTITIONS,
    replication: env.TOPIC_REPLICATION,
    createTopics: env.KAFKA_CREATE_TOPICS,
  }
}

function login(env: KafkaVariables): Login | undefined {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD_FILE: passwordFile,
  } = env
  if (mechanism === undefined) {
    if (username === undefined && passwordFile === undefined) return undefined
    throw new Error(
      'KAFKA_SASL_MECHANISM is missing although a user or a password file is set: set it to plain, ' +
        'scram-sha-256 or scram-sha-512, or remove KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE.',
    )
  }
  if (username === undefined) {
    throw new Error(`KAFKA_SASL_USERNAME is missing: KAFKA_SASL_MECHANISM is ${mechanism}, so set the user.`)
  }
  if (passwordFile === undefined) {
    throw new Error(
      `KAFKA_SASL_PASSWORD_FILE is missing: KAFKA_SASL_MECHANISM is ${mechanism}, so name the file with the password.`,
    )
  }
  return { mechanism, username, password: readPassword(passwordFile) }
}

function readPassword(path: string): string {
  let password: string
  try {
    password = readFileSync(path, 'utf8').trim()
  } catch (cause) {
    throw new Error(
      `KAFKA_SASL_PASSWORD_FILE names ${path}, which cannot be read: check the path and its rights.`,
      { cause },
    )
  }
  if (password === '') {
    throw new Error(`KAFKA_SASL_PASSWORD_FILE names ${path}, which is empty: put the password into it.`)
  }
  return password
}
