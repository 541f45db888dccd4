import { type KafkaConfig, kafkaConfig, kafkaEnv } from '@signalbox/kafka/config'
import { redisEnv } from '@signalbox/registration-store/config'
import {
  openRegistrationStore,
  type RegistrationStore,
} from '@signalbox/registration-store/registration-store'
import { type Environment, parseEnvironment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { silent } from '../silent.ts'

export type ViewConfig = { kafka: KafkaConfig; redis: { url: string; keyPrefix: string } }

/** @throws StartProblem that names the variable */
export function viewConfig(program: string, env: Environment): ViewConfig {
  const given = parseEnvironment(program, z.object({ ...kafkaEnv, ...redisEnv }), env)
  return {
    kafka: kafkaConfig(given),
    redis: { url: given.REDIS_URL, keyPrefix: given.REDIS_KEY_PREFIX },
  }
}

/** The view in Redis that the processors write. */
export function openView({ redis }: ViewConfig): Promise<RegistrationStore> {
  return openRegistrationStore({ ...redis, log: silent })
}

/** Which partition a verb is about. */
export const partitionOption = z.coerce.number().int().min(0).optional().meta({
  value: 'N',
  description: 'one partition (default: all)',
})

/** @throws StartProblem when there is no such partition */
export function partitionsOf(given: number | undefined, { partitions }: KafkaConfig): number[] {
  if (given === undefined) return Array.from({ length: partitions }, (_, partition) => partition)
  if (given < partitions) return [given]
  throw new StartProblem(
    `There is no partition ${given}: TOPIC_PARTITIONS says ${partitions}, counted from 0.`,
  )
}
