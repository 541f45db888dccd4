import { inject } from 'vitest'

/** The Kafka and Redis that all integration tests of a run share. */
export const kafkaBrokers = inject('kafkaBrokers')
export const redisUrl = inject('redisUrl')
