import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { withAdmin } from './client.ts'
import { silentLog } from './kafka-log.ts'
import { clientId, config, freshName, freshTopic, numbered, writeNumbers } from './kafka.fixture.ts'
import { readTopic, scanTopic } from './log-reader.ts'
import { openProducer } from './producer.ts'
import { clusterId, ensureTopics, type TopicSpec } from './topics.ts'

const log = silentLog
const hanging = () => new Promise<void>(() => {})
const spec = (name: string): TopicSpec => ({ name, cleanup: 'delete' })

test('missing topics are created as specified and can be written to at once', async () => {
  const name = freshName('topic')
  await ensureTopics(
    config,
    [{ name, cleanup: 'compact', maxMessageBytes: 2_000_000, config: { 'min.compaction.lag.ms': '60000' } }],
    { log },
  )
  await writeNumbers(name, 0, 8)
  const described = await withAdmin(config, { clientId, log }, async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name }],
    })
    const settings = resources.flatMap(({ configEntries }) => configEntries)
    const setting = (wanted: string) => settings.find(({ configName }) => configName === wanted)?.configValue
    return {
      partitions: topics[0]?.partitions.length,
      cleanup: setting('cleanup.policy'),
      maxMessageBytes: setting('max.message.bytes'),
      lag: setting('min.compaction.lag.ms'),
    }
  })
  expect(described).toEqual({ partitions: 4, cleanup: 'compact', maxMessageBytes: '2000000', lag: '60000' })
})

test('several services may create the same topics at the same time', async () => {
  const specs = [spec(freshName('topic')), spec(freshName('topic')), spec(freshName('topic'))]
  await Promise.all(
    Array.from({ length: 5 }, (_, index) =>
      ensureTopics(config, index % 2 === 0 ? specs : specs.toReversed(), { log }),
    ),
  )
  const check = ensureTopics({ ...config, createTopics: false }, specs, { log })
  await expect(check).resolves.toBeUndefined()
})

test.each([
  {
    wrong: 'a missing topic',
    given: { createTopics: false },
    topic: async () => freshName('nowhere'),
    problem: /Kafka has no topic test\.nowhere\.\S+: run "npm run topics", or .*KAFKA_CREATE_TOPICS=true/,
  },
  {
    wrong: 'another number of partitions',
    given: { partitions: 6 },
    topic: async () => freshTopic(),
    problem: /has 4 partitions, but 6 are wanted \(TOPIC_PARTITIONS\): set TOPIC_PARTITIONS=4/,
  },
  {
    wrong: 'a policy that would lose records',
    given: {},
    topic: async () => freshTopic({ cleanup: 'compact' }),
    problem: /has cleanup\.policy=compact, but delete is wanted: kafka-configs/,
  },
  {
    wrong: 'more copies than brokers',
    given: { replication: 9 },
    topic: async () => freshName('topic'),
    problem: /9 copies are wanted \(TOPIC_REPLICATION\), but there are \d brokers: set TOPIC_REPLICATION=/,
  },
])('$wrong is told with its name and its remedy', async ({ given, topic, problem }) => {
  await expect(ensureTopics({ ...config, ...given }, [spec(await topic())], { log })).rejects.toThrow(problem)
})

test('the cluster id stays the same', async () => {
  const id = await clusterId(config)
  expect(id).toMatch(/^[\w-]{10,}$/)
  expect(await clusterId(config)).toBe(id)
})

test('a topic is read from start to end in order, and an empty one at once', async () => {
  const topic = await freshTopic()
  expect(await readTopic(config, topic)).toEqual([])
  await writeNumbers(topic, 0, 1_000)
  const records = await readTopic(config, topic)
  expect(records.map(({ partition, offset }) => `${partition}:${offset}`)).toEqual(
    [0, 1, 2, 3].flatMap((partition) => Array.from({ length: 250 }, (_, offset) => `${partition}:${offset}`)),
  )
})

test('reading a topic makes no consumer group', async () => {
  const topic = await freshTopic()
  await using producer = await openProducer(config, { clientId, log })
  await producer.append(numbered(topic, 1), { deadlineMs: 10_000 })
  expect(await readTopic(config, topic)).toHaveLength(1)
  const { groups } = await withAdmin(config, { clientId, log }, (admin) => admin.listGroups())
  expect(groups.filter(({ groupId }) => groupId.startsWith('signalbox-log-reader'))).toEqual([])
})

describe('a scan', () => {
  test('visits every record once, each partition in its order, and tells how far it is', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 4_000)
    const visits: { partition: number; numbers: number[]; visited: number; total: number }[] = []
    await scanTopic(config, topic, {
      visit: async (records, progress) => {
        const partition = records[0]?.partition ?? -1
        visits.push({ partition, numbers: records.map(({ value }) => Number(value)), ...progress })
      },
    })
    for (const partition of [0, 1, 2, 3]) {
      const numbers = visits
        .filter((visit) => visit.partition === partition)
        .flatMap((visit) => visit.numbers)
      expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, index) => index * 4 + partition))
    }
    expect(visits.at(-1)).toMatchObject({ visited: 4_000, total: 4_000 })
    await scanTopic(config, await freshTopic(), { visit: () => expect.unreachable('it holds nothing') })
  })

  test('makes one visit after the other, each of a few MiB, so that a large topic is never in memory', async () => {
    const topic = await freshTopic({ maxMessageBytes: 2_000_000 })
    await using producer = await openProducer(config, { clientId, log })
    const large = Array.from({ length: 48 }, (_, index) => ({
      ...numbered(topic, index),
      value: Buffer.alloc(1_000_000, index),
    }))
    await producer.publish(large, { deadlineMs: 60_000 })
    const held: number[] = []
    let under = 0
    await scanTopic(config, topic, {
      visit: async (records) => {
        held.push(records.reduce((sum, { bytes }) => sum + bytes, 0))
        expect(++under).toBe(1)
        await new Promise((resolve) => setImmediate(resolve))
        under--
      },
    })
    expect(held.reduce((sum, bytes) => sum + bytes)).toBeGreaterThan(48_000_000)
    expect(Math.max(...held)).toBeLessThan(11_000_000)
  })

  test('ends with what its visitor throws, with the reason of whoever stops it, and when it stalls', async () => {
    const topic = await freshTopic()
    await writeNumbers(topic, 0, 100)
    let visits = 0
    const broken = scanTopic(config, topic, {
      visit: () => {
        visits++
        throw new Error('no more')
      },
    })
    await expect(broken).rejects.toThrow('no more')
    expect(visits).toBe(1)
    const stop = new AbortController()
    const stopped = scanTopic(config, topic, {
      visit: () => {
        stop.abort(new Error('enough'))
        return hanging()
      },
      stop: stop.signal,
    })
    const stalled = scanTopic(config, topic, { visit: hanging, stallDeadlineMs: 3_000 })
    await Promise.all([
      expect(stopped).rejects.toThrow('enough'),
      expect(stalled).rejects.toThrow('nothing came for 3000 ms'),
    ])
    await expect(scanTopic(config, freshName('nowhere'), { visit: () => {} })).rejects.toThrow(
      /Topic test\.nowhere\.\S+ cannot be read/,
    )
  })
})
