import { openInfra } from '@signalbox/embedded/infra'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of the Kafka that all integration tests share: use topic and group names of your own. */
    kafkaBrokers: string[]
    /** The Redis that all integration tests share: use a key prefix of your own, and never flush it. */
    redisUrl: string
    /** A Redis for the tests of the registration store, which fill it, make it a replica and have it forget scripts. */
    redisUrlToHurt: string
  }
}

/** Opens Kafka and Redis once for a whole run; the returned function ends them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const infra = await openInfra({
    env: process.env,
    redisCount: 2,
    onProgress: (message) => process.stdout.write(`infra: ${message}\n`),
  })
  const [redisUrl, redisUrlToHurt] = infra.redisUrls
  if (redisUrl === undefined || redisUrlToHurt === undefined) {
    throw new Error('The infrastructure came without two Redis servers')
  }
  project.provide('kafkaBrokers', infra.kafkaBrokers)
  project.provide('redisUrl', redisUrl)
  project.provide('redisUrlToHurt', redisUrlToHurt)
  return async () => infra[Symbol.asyncDispose]()
}
