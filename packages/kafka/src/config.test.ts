import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { kafkaConfig, kafkaEnv } from './config.ts'

const parse = (env: Record<string, string>) =>
  kafkaConfig(z.object(kafkaEnv).parse({ KAFKA_BROKERS: 'a:9092', ...env }))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kafka-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('only the brokers must be set', () => {
  expect(parse({ KAFKA_BROKERS: 'a:9092, b:9093' })).toEqual({
    brokers: ['a:9092', 'b:9093'],
    tls: false,
    partitions: 12,
    replication: 3,
    createTopics: false,
  })
})

test('the password comes from its file, without the line end', () => {
  const file = join(folder, 'password')
  writeFileSync(file, 's3cret\n')
  const config = parse({
    KAFKA_TLS: 'true',
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: 'ingress',
    KAFKA_SASL_PASSWORD_FILE: file,
  })
  expect(config.tls).toBe(true)
  expect(config.sasl).toEqual({ mechanism: 'scram-sha-512', username: 'ingress', password: 's3cret' })
})

test.each([
  [{ KAFKA_BROKERS: 'localhost' }, /host:port/],
  [{ KAFKA_BROKERS: '' }, /host:port/],
  [{ KAFKA_SASL_USERNAME: 'me' }, /KAFKA_SASL_MECHANISM is missing/],
  [{ KAFKA_SASL_MECHANISM: 'plain' }, /KAFKA_SASL_USERNAME is missing/],
  [{ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'me' }, /KAFKA_SASL_PASSWORD_FILE is missing/],
  [
    {
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'me',
      KAFKA_SASL_PASSWORD_FILE: '/nowhere/password',
    },
    /KAFKA_SASL_PASSWORD_FILE names \/nowhere\/password, which cannot be read/,
  ],
])('a wrong configuration names the variable: %j', (env, problem) => {
  expect(() => parse(env)).toThrow(problem)
})

test('every variable says what it is for', () => {
  const silent = Object.entries(kafkaEnv).filter(([, schema]) => !schema.description)
  expect(silent.map(([name]) => name)).toEqual([])
})
