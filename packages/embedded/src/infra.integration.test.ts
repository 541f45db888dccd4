import { dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cacheFolderOf } from './cache-folder.ts'
import { dockerProblem } from './docker/docker-servers.ts'
import { findEmbedded } from './find-embedded.ts'
import { openInfra, requireFaults } from './infra.ts'
import { readClusterView } from './kafka/kafka-metadata.ts'
import { readRedisPid } from './redis/redis-pid.ts'

const cacheFolder = cacheFolderOf()
const embedded = await findEmbedded({ cacheFolder })
const docker = await dockerProblem()
const foreign = { KAFKA_BROKERS: '127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1:2' }

describe.skipIf(!embedded.usable)('openInfra with embedded servers', () => {
  test('starts its own, whatever KAFKA_BROKERS and REDIS_URL say, with a handle on each', async () => {
    const env = { ...foreign, XDG_CACHE_HOME: dirname(cacheFolder) }
    await using infra = await openInfra({ env, redisCount: 2 })
    const { kafka, redis } = requireFaults(infra)

    expect(infra.source).toBe('embedded')
    expect(infra.kafkaBrokers).toEqual(kafka.map(({ port }) => `127.0.0.1:${port}`))
    expect(infra.redisUrls).toEqual(redis.map(({ port }) => `redis://127.0.0.1:${port}`))
    expect(redis.map(({ id }) => id)).toEqual([1, 2])
    for (const { port } of kafka) {
      expect((await readClusterView({ host: '127.0.0.1', port })).brokerIds).toEqual([1])
    }
    for (const { port } of redis) await readRedisPid({ host: '127.0.0.1', port })
  })
})

describe('openInfra with SIGNALBOX_INFRA=env', () => {
  test('takes what the environment names, and refuses faults on it', async () => {
    await using infra = await openInfra({ env: { ...foreign, SIGNALBOX_INFRA: 'env' } })
    expect(infra).toMatchObject({
      source: 'env',
      kafkaBrokers: [foreign.KAFKA_BROKERS],
      redisUrls: [foreign.REDIS_URL],
    })
    expect(() => requireFaults(infra)).toThrow('Faults are refused')
  })
})

describe.skipIf(docker === null)('openInfra with SIGNALBOX_INFRA=docker', () => {
  test('says so when no Docker engine answers', async () => {
    await expect(openInfra({ env: { SIGNALBOX_INFRA: 'docker' } })).rejects.toThrow(
      /SIGNALBOX_INFRA=docker.*a Docker engine that answers/su,
    )
  })
})
