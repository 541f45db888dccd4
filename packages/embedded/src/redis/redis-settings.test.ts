import { expect, test } from 'vitest'
import { redisConf } from './redis-settings.ts'

test('a Redis on the loopback interface never evicts and writes as durably as asked', () => {
  const conf = redisConf({ port: 20_001, folder: '/my data', appendOnly: true, appendFsync: 'always' })
  expect(conf.split('\n')).toEqual(
    expect.arrayContaining([
      'bind 127.0.0.1',
      'port 20001',
      'dir "/my data"',
      'maxmemory-policy noeviction',
      'appendonly yes',
      'appendfsync always',
    ]),
  )
})
