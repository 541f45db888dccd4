import { type KafkaConfig, kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { redisEnv } from '@signalbox/registration-store/config'
import { type Environment, parseEnvironment, runtimeEnv } from '@signalbox/runtime/config'
import { z } from 'zod'

/** Every variable that the processor reads. */
export const processorEnv = z.object({ ...runtimeEnv({ opsPort: 9102 }), ...kafkaEnv, ...redisEnv })

export type ProcessorConfig = {
  kafka: KafkaConfig
  redis: { url: string; keyPrefix: string }
  ops: { host: string; port: number }
  logLevel: string
}

/** @throws StartProblem, or an Error that names the variable */
export function readConfig(env: Environment): ProcessorConfig {
  const given = parseEnvironment('processor', processorEnv, env)
  return {
    kafka: kafkaConfig(given),
    redis: { url: given.REDIS_URL, keyPrefix: given.REDIS_KEY_PREFIX },
    ops: { host: given.LISTEN_HOST, port: given.OPS_PORT },
    logLevel: given.LOG_LEVEL,
  }
}
