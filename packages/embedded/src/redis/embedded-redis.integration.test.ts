import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { cacheFolderOf, exists } from '../cache-folder.ts'
import { findEmbedded } from '../find-embedded.ts'
import { openEmbeddedRedis } from './embedded-redis.ts'
import { readRedisPid } from './redis-pid.ts'

const embedded = await findEmbedded({ cacheFolder: cacheFolderOf() })

describe.skipIf(!embedded.usable)('embedded Redis', () => {
  test('a restarted Redis has the same address and what was written', async () => {
    await using redis = await openEmbeddedRedis()
    const client = connect(redis.url)
    await client.set('key', 'value')
    const pid = redis.node.pid
    await redis.node.restart()
    expect(redis.node.pid).not.toBe(pid)
    expect(await client.get('key')).toBe('value')
  })

  test('what appendFsync always confirmed survives a kill', async () => {
    await using redis = await openEmbeddedRedis({ appendFsync: 'always' })
    const client = connect(redis.url)
    await client.set('key', 'value')
    await redis.node.kill()
    expect(redis.node.pid).toBeUndefined()
    await expect(readRedisPid({ host: '127.0.0.1', port: redis.node.port })).rejects.toThrow('ECONNREFUSED')
    await redis.node.start()
    expect(await client.get('key')).toBe('value')
  })

  test('a paused Redis keeps connections open and answers nothing until it is resumed', async () => {
    await using redis = await openEmbeddedRedis()
    const client = connect(redis.url, { commandTimeoutMs: 500 })
    await client.ping()
    await redis.node.pause()
    await expect(client.ping()).rejects.toThrow('Command timed out')
    expect(client.status).toBe('ready')
    await redis.node.resume()
    expect(await client.ping()).toBe('PONG')
  })

  test('a paused Redis can be stopped', async () => {
    await using redis = await openEmbeddedRedis()
    await redis.node.pause()
    await redis.node.stop()
    expect(redis.node.pid).toBeUndefined()
  })

  test('two at once do not touch each other', async () => {
    await using first = await openEmbeddedRedis()
    await using second = await openEmbeddedRedis()
    await connect(first.url).set('key', 'first')
    expect(await connect(second.url).get('key')).toBeNull()
  })

  test('it refuses to evict and keeps the hash of a registration compact', async () => {
    await using redis = await openEmbeddedRedis()
    const client = connect(redis.url)
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
    await client.hset('hash', 'field', 'x'.repeat(1100))
    expect(await client.object('ENCODING', 'hash')).toBe('listpack')
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
  })

  test('without appendOnly nothing survives', async () => {
    await using redis = await openEmbeddedRedis({ appendOnly: false })
    const client = connect(redis.url)
    await client.set('key', 'value')
    await redis.node.restart()
    expect(await client.get('key')).toBeNull()
  })

  test('a temporary folder is removed at the end', async () => {
    const redis = await openEmbeddedRedis()
    expect(await exists(redis.folder)).toBe(true)
    await redis[Symbol.asyncDispose]()
    expect(await exists(redis.folder)).toBe(false)
  })

  test('a given folder is kept, a later start continues with its data, and one at a time uses it', async () => {
    const dataFolder = await temporaryFolder()
    {
      await using redis = await openEmbeddedRedis({ dataFolder })
      await connect(redis.url).set('key', 'value')
      await expect(openEmbeddedRedis({ dataFolder })).rejects.toThrow(`${dataFolder} is in use by process`)
    }
    await using again = await openEmbeddedRedis({ dataFolder })
    expect(await connect(again.url).get('key')).toBe('value')
  })

  test('a running Redis is not started twice', async () => {
    await using redis = await openEmbeddedRedis()
    await expect(redis.node.start()).rejects.toThrow('Redis 1 is already running')
  })

  test('a start on a taken port fails with the last lines of the log', async () => {
    await using redis = await openEmbeddedRedis()
    await redis.node.stop()
    await listenOn(redis.node.port)
    await expect(redis.node.start()).rejects.toThrow(/ended with exit code 1.*last lines:.*already in use/su)
  })
})

/** Connects again as often as it takes; closed when the test ends. */
function connect(url: string, { commandTimeoutMs = 20_000 } = {}): Redis {
  const client = new Redis(url, {
    commandTimeout: commandTimeoutMs,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
  })
  client.on('error', () => {}) // a server that is down is part of these tests
  onTestFinished(() => client.disconnect())
  return client
}

async function listenOn(port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy())
  server.listen({ port, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => void server.close())
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
