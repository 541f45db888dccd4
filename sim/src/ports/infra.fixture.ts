import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    kafkaBrokers: string[]
    redisUrl: string
  }
}

/** The Kafka and Redis that all integration tests of a run share. */
export const kafkaBrokers = inject('kafkaBrokers')
export const redisUrl = inject('redisUrl')
