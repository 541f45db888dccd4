import { type KafkaConfig, kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { redisEnv } from '@signalbox/registration-store/config'
import { type Environment, parseEnvironment, port, runtimeEnv } from '@signalbox/runtime/config'
import { z } from 'zod'
import { type EndpointsConfig, endpointsConfig, endpointsEnv } from './endpoints-config.ts'
import { type InquiryConfig, inquiryConfig, inquiryEnv } from './inquiry/config.ts'

/** Every variable that the console reads. */
export const consoleEnv = z.object({
  ...runtimeEnv({ opsPort: 9104 }),
  CONSOLE_PORT: port(8090).describe('port of the API; 0 takes a free one'),
  API_TOKENS_FILE: z
    .string()
    .describe('JSON file with the SHA-256 of each token, its role and the client ids that it may see'),
  ...redisEnv,
  ...kafkaEnv,
  ...inquiryEnv,
  ...endpointsEnv,
})

export type ConsoleConfig = {
  api: { host: string; port: number }
  ops: { host: string; port: number }
  redis: { url: string; keyPrefix: string }
  kafka: KafkaConfig
  /** null: Alipay+ is not asked. */
  inquiry: InquiryConfig | null
  /** null: this deployment has no endpoints of its own. */
  endpoints: EndpointsConfig | null
  /** Undefined: alerts carry no `v1a` signature. */
  signingKeysFile: string | undefined
  tokensFile: string
  logLevel: string
}

/** @throws StartProblem naming every variable that is missing or wrong */
export function readConfig(env: Environment): ConsoleConfig {
  const given = parseEnvironment('console', consoleEnv, env)
  return {
    api: { host: given.LISTEN_HOST, port: given.CONSOLE_PORT },
    ops: { host: given.LISTEN_HOST, port: given.OPS_PORT },
    redis: { url: given.REDIS_URL, keyPrefix: given.REDIS_KEY_PREFIX },
    kafka: kafkaConfig(given),
    inquiry: inquiryConfig(given),
    endpoints: endpointsConfig(given),
    signingKeysFile: given.WEBHOOK_SIGNING_KEYS_FILE,
    tokensFile: given.API_TOKENS_FILE,
    logLevel: given.LOG_LEVEL,
  }
}
