import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LogRecord, openProducer } from '@signalbox/kafka/producer'
import { readTopic } from '@signalbox/kafka/log-reader'
import { ensureTopics } from '@signalbox/kafka/topics'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { cacheFolderOf, exists } from '../cache-folder.ts'
import { findEmbedded } from '../find-embedded.ts'
import { openEmbeddedKafka } from './embedded-kafka.ts'
import { readClusterView } from './kafka-metadata.ts'

const embedded = await findEmbedded({ cacheFolder: cacheFolderOf() })
const log = { debug() {}, info() {}, warn() {}, error() {} }
const deadlineMs = 20_000

describe.skipIf(!embedded.usable)('one embedded broker', () => {
  test('a killed and a restarted broker come back at the same address with their records', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 1 })
    const [node] = kafka.nodes
    await write(kafka.brokers, ['before'])
    await node?.kill()
    expect(node?.pid).toBeUndefined()
    await expect(view(node)).rejects.toThrow('ECONNREFUSED')
    await node?.start()
    await write(kafka.brokers, ['between'])
    await node?.restart()
    await write(kafka.brokers, ['after'])
    expect(await read(kafka.brokers)).toEqual(['before', 'between', 'after'])
  })

  test('a paused broker answers nothing until it is resumed', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 1 })
    const [node] = kafka.nodes
    await node?.pause()
    await expect(view(node)).rejects.toThrow('aborted')
    await node?.resume()
    expect((await view(node)).brokerIds).toEqual([1])
  })

  test('a record of 16 MiB is taken, and is stamped by the broker', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 1 })
    const value = Buffer.alloc(16 * 1024 * 1024, 'x')
    await write(kafka.brokers, [value])
    const [record] = await readTopic(configOf(kafka.brokers), topic)
    expect(record?.value?.length).toBe(value.length)
    expect(Math.abs(Date.now() - (record?.timestampMs ?? 0))).toBeLessThan(60_000)
  })

  test('two clusters at once do not touch each other, and leave no folder behind', async () => {
    const first = await openEmbeddedKafka({ brokers: 1 })
    const second = await openEmbeddedKafka({ brokers: 1 })
    expect((await view(first.nodes[0])).clusterId).not.toBe((await view(second.nodes[0])).clusterId)
    await first[Symbol.asyncDispose]()
    expect((await view(second.nodes[0])).brokerIds).toEqual([1])
    await second[Symbol.asyncDispose]()
    expect(await Promise.all([exists(first.folder), exists(second.folder)])).toEqual([false, false])
  })

  test('a given folder is kept, a later start continues with its records, and one at a time uses it', async () => {
    const dataFolder = await temporaryFolder()
    {
      await using kafka = await openEmbeddedKafka({ brokers: 1, dataFolder })
      await write(kafka.brokers, ['kept'])
      await expect(openEmbeddedKafka({ brokers: 1, dataFolder })).rejects.toThrow(
        `${dataFolder} is in use by process`,
      )
      await write(kafka.brokers, ['untouched'])
    }
    await expect(openEmbeddedKafka({ brokers: 3, dataFolder })).rejects.toThrow('a Kafka of 1 brokers')
    await using kafka = await openEmbeddedKafka({ brokers: 1, dataFolder })
    expect(await read(kafka.brokers)).toEqual(['kept', 'untouched'])
  })

  test('a broker that cannot start says so with the last lines of its log', async () => {
    const dataFolder = await temporaryFolder()
    const logFolder = join(dataFolder, 'node-1', 'log')
    await mkdir(logFolder, { recursive: true })
    await writeFile(join(logFolder, 'meta.properties'), 'version=1\ncluster.id=S-of-another\nnode.id=7\n')
    await expect(openEmbeddedKafka({ brokers: 1, dataFolder })).rejects.toThrow(
      /Kafka node 1 ended with exit code 1\. Its last lines:.*node/su,
    )
  })
})

describe.skipIf(!embedded.usable)('three embedded brokers', () => {
  test('records are taken while one is down, and it catches up when it is back', async () => {
    await using kafka = await openEmbeddedKafka({ brokers: 3 })
    const [victim, ...others] = kafka.nodes
    await write(kafka.brokers, ['before'])
    await victim?.kill()
    await untilSeen(
      others,
      others.map(({ id }) => id),
    )
    await write(kafka.brokers, ['meanwhile'])
    await victim?.start()
    await untilSeen(kafka.nodes, [1, 2, 3])
    expect(await read(kafka.brokers)).toEqual(['before', 'meanwhile'])
  })

  test('a kept cluster ends in order and continues', async () => {
    const dataFolder = await temporaryFolder()
    {
      await using kafka = await openEmbeddedKafka({ brokers: 3, dataFolder })
      await write(kafka.brokers, ['kept'])
    }
    expect((await readdir(dataFolder)).toSorted()).toEqual(['node-1', 'node-2', 'node-3'])
    await using kafka = await openEmbeddedKafka({ brokers: 3, dataFolder })
    expect(await read(kafka.brokers)).toEqual(['kept'])
  })
})

const topic = 'embedded-kafka-test'

function configOf(brokers: string[]) {
  return { brokers, tls: false, partitions: 1, replication: brokers.length, createTopics: true }
}

async function write(brokers: string[], values: (string | Buffer)[]): Promise<void> {
  const config = configOf(brokers)
  await ensureTopics(config, [{ name: topic, cleanup: 'delete' }], { log })
  await using producer = await openProducer(config, { clientId: 'embedded-kafka-test', log })
  const records = values.map((value): LogRecord => ({ topic, partition: 0, key: 'key', value }))
  await producer.publish(records, { deadlineMs })
}

async function read(brokers: string[]): Promise<string[]> {
  const records = await readTopic(configOf(brokers), topic)
  return records.map(({ value }) => value?.toString('utf8') ?? '')
}

function view(node: { port: number } | undefined) {
  return readClusterView({ host: '127.0.0.1', port: node?.port ?? 0 })
}

async function untilSeen(nodes: { port: number }[], ids: number[]): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const node of nodes) expect((await view(node)).brokerIds).toEqual(ids)
    },
    { timeout: deadlineMs, interval: 50 },
  )
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
