import { describe, expect, test } from 'vitest'
import { chooseSource, type Finding, forcedSource, ownServers } from './infra-source.ts'

const usable: Finding = { usable: true }
const noJava: Finding = { usable: false, missing: ['Java 17 or newer: there is no java on PATH'] }
const noDocker: Finding = { usable: false, missing: ['a Docker engine that answers'] }

describe('chooseSource', () => {
  test.each([
    { forced: null, embedded: usable, docker: null, source: 'embedded' },
    { forced: null, embedded: usable, docker: usable, source: 'embedded' },
    { forced: null, embedded: noJava, docker: usable, source: 'docker' },
    { forced: 'embedded', embedded: usable, docker: null, source: 'embedded' },
    { forced: 'docker', embedded: null, docker: usable, source: 'docker' },
    { forced: 'docker', embedded: usable, docker: usable, source: 'docker' },
    { forced: 'env', embedded: null, docker: null, source: 'env' },
  ] as const)('forced $forced, embedded $embedded.usable, docker $docker.usable: $source', (row) => {
    expect(chooseSource(row)).toBe(row.source)
  })

  test('when nothing works it says what is missing for each way', () => {
    expect(() => chooseSource({ forced: null, embedded: noJava, docker: noDocker })).toThrow(
      /embedded.*no java on PATH.*docker.*a Docker engine.*SIGNALBOX_INFRA=env/su,
    )
  })

  test.each([
    { forced: 'embedded', embedded: noJava, docker: usable, says: 'there is no java on PATH' },
    { forced: 'docker', embedded: usable, docker: noDocker, says: 'a Docker engine that answers' },
  ] as const)('a forced $forced that does not work is not replaced by another', ({ says, ...row }) => {
    expect(() => chooseSource(row)).toThrow(says)
    expect(() => chooseSource(row)).toThrow(`SIGNALBOX_INFRA=${row.forced}`)
  })
})

describe('forcedSource', () => {
  test.each([undefined, ''])('%j forces nothing', (value) => {
    expect(forcedSource({ SIGNALBOX_INFRA: value })).toBeNull()
  })

  test.each(['embedded', 'docker', 'env'])('%s forces itself', (value) => {
    expect(forcedSource({ SIGNALBOX_INFRA: value })).toBe(value)
  })

  test.each(['Docker', 'testcontainers', 'true'])('%s is refused with the values that exist', (value) => {
    expect(() => forcedSource({ SIGNALBOX_INFRA: value })).toThrow(
      `SIGNALBOX_INFRA is "${value}"; it may be embedded, docker, env`,
    )
  })
})

describe('ownServers', () => {
  const KAFKA_BROKERS = 'a:9092, b:9092'
  const REDIS_URL = 'redis://a,redis://b'

  test('reads comma-separated lists', () => {
    expect(ownServers({ KAFKA_BROKERS, REDIS_URL }, { redisCount: 2 })).toEqual({
      kafkaBrokers: ['a:9092', 'b:9092'],
      redisUrls: ['redis://a', 'redis://b'],
    })
  })

  test('hands out as many Redis servers as are wanted', () => {
    expect(ownServers({ KAFKA_BROKERS, REDIS_URL }, { redisCount: 1 }).redisUrls).toEqual(['redis://a'])
    expect(() => ownServers({ KAFKA_BROKERS, REDIS_URL }, { redisCount: 3 })).toThrow(
      'This run needs 3 Redis servers; REDIS_URL names 2',
    )
  })

  test.each([
    { env: { REDIS_URL }, says: /needs KAFKA_BROKERS/u },
    { env: { KAFKA_BROKERS, REDIS_URL: ' , ' }, says: /needs REDIS_URL/u },
    { env: {}, says: /needs KAFKA_BROKERS .* and REDIS_URL/u },
  ])('names what is missing: $says', ({ env, says }) => {
    expect(() => ownServers(env, { redisCount: 1 })).toThrow(says)
  })
})
