import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cacheFolderOf } from './cache-folder.ts'
import { findEmbedded } from './find-embedded.ts'
import { openEmbeddedKafka } from './kafka/embedded-kafka.ts'
import { openEmbeddedRedis } from './redis/embedded-redis.ts'

const embedded = await findEmbedded({ cacheFolder: cacheFolderOf() })

describe.skipIf(!embedded.usable)('a first run', () => {
  test('installs Kafka and Redis in an empty cache, also when two do it at once', async () => {
    const cacheFolder = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
    onTestFinished(() => rm(cacheFolder, { recursive: true, force: true }))
    const steps: string[] = []
    const options = { cacheFolder, onProgress: (step: string) => steps.push(step) }

    await using servers = new AsyncDisposableStack()
    const opened = await Promise.all([
      openEmbeddedKafka({ ...options, brokers: 1 }),
      openEmbeddedKafka({ ...options, brokers: 1 }),
      openEmbeddedRedis(options),
      openEmbeddedRedis(options),
    ])
    for (const server of opened) servers.use(server)

    expect(steps).toContain('downloading Kafka 4.3.1 (44 MB, once)')
    const installed = await readdir(join(cacheFolder, 'kafka-4.3.1'))
    expect(installed.filter((name) => !name.startsWith('classes-')).toSorted()).toEqual(['libs', 'template'])
    // A second run finds everything in its place.
    steps.length = 0
    servers.use(await openEmbeddedKafka({ ...options, brokers: 1 }))
    servers.use(await openEmbeddedRedis(options))
    expect(steps).toEqual([])
  }, 180_000)
})
