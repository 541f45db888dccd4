import { openInfra } from '@signalbox/embedded/infra'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of the Kafka that all integration tests share: use topic and group names of your own. */
    kafkaBrokers: string[]
    /** The Redis that all integration tests share: use a key prefix of your own, and never flush it. */
    redisUrl: string
  }
}

/** Opens Kafka and Redis once for a whole run; the returned function ends them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const infra = await openInfra({
    env: process.env,
    onProgress: (message) => process.stdout.write(`infra: ${message}\n`),
  })
  const [redisUrl] = infra.redisUrls
  if (redisUrl === undefined) throw new Error('The infrastructure came without a Redis')
  project.provide('kafkaBrokers', infra.kafkaBrokers)
  project.provide('redisUrl', redisUrl)
  return async () => infra[Symbol.asyncDispose]()
}
