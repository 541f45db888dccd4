import { describe, expect, test } from 'vitest'
import { clusterIdOf, clusterSettings, metaProperties, serverProperties } from './kafka-settings.ts'

const three = [1, 2, 3].map((id) => ({ id, client: 20_000 + id, controller: 21_000 + id }))

describe('clusterSettings', () => {
  test('three brokers keep three copies of what Kafka itself stores, two of them confirmed', () => {
    expect(clusterSettings(3)).toMatchObject({
      'default.replication.factor': '3',
      'min.insync.replicas': '2',
      'offsets.topic.replication.factor': '3',
      'transaction.state.log.replication.factor': '3',
      'transaction.state.log.min.isr': '2',
      'share.coordinator.state.topic.replication.factor': '3',
      'share.coordinator.state.topic.min.isr': '2',
    })
  })

  test('one broker keeps one copy', () => {
    expect(clusterSettings(1)).toMatchObject({
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'min.insync.replicas': '1',
    })
  })

  test.each([1, 3] as const)('no topic comes into being by a misspelt name (%i brokers)', (brokers) => {
    expect(clusterSettings(brokers)).toMatchObject({
      'auto.create.topics.enable': 'false',
      'log.message.timestamp.type': 'LogAppendTime',
      'broker.session.timeout.ms': '3000',
    })
  })
})

describe('serverProperties', () => {
  test('a node listens on the loopback interface only and knows all voters', () => {
    const lines = serverProperties({ id: 2, nodes: three, logFolder: '/data/log' }).split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'node.id=2',
        'controller.quorum.voters=1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003',
        'listeners=PLAINTEXT://127.0.0.1:20002,CONTROLLER://127.0.0.1:21002',
        'advertised.listeners=PLAINTEXT://127.0.0.1:20002',
        'log.dirs=/data/log',
      ]),
    )
  })

  test('a backslash in a path is not taken for an escape', () => {
    expect(serverProperties({ id: 1, nodes: three, logFolder: 'C:\\data' })).toContain(
      'log.dirs=C:\\\\data\n',
    )
  })

  test('a node outside its cluster and a cluster of two are refused', () => {
    expect(() => serverProperties({ id: 4, nodes: three, logFolder: '/data' })).toThrow('No node 4')
    expect(() => serverProperties({ id: 1, nodes: three.slice(0, 2), logFolder: '/data' })).toThrow(
      'in a cluster of 2',
    )
  })
})

test('the cluster id is read back from what was written and from what Kafka writes', () => {
  const own = metaProperties({ clusterId: 'S-abc', nodeId: 1, folderId: 'S-def' })
  expect(clusterIdOf(own)).toBe('S-abc')
  expect(clusterIdOf('#\n#Sun Nov 22\nnode.id=1\r\ncluster.id=S-abc\r\nversion=1\n')).toBe('S-abc')
  expect(() => clusterIdOf('version=1\n')).toThrow('names no cluster.id')
})
