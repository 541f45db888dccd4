import { describe, expect, test } from 'vitest'
import { environmentName, kafkaCommand, kafkaEnvironment, kafkaStartScript } from './kafka-container.ts'

test('the start script advertises the port as seen from outside, and then runs the image’s own start', () => {
  expect(kafkaStartScript({ id: 2, host: 'docker.test', port: 20_002 })).toBe(
    "#!/bin/sh\nexport KAFKA_ADVERTISED_LISTENERS='PLAINTEXT://docker.test:20002,BROKER://kafka-2:9093'\n" +
      'exec /etc/kafka/docker/run\n',
  )
})

test('the container waits for the whole script before it runs it', () => {
  expect(kafkaCommand()).toMatch(/until \[ -s (\S+) \]; do .* done; exec sh \1$/u)
})

describe('kafkaEnvironment', () => {
  test('brokers reach each other by name, clients by the advertised address', () => {
    expect(kafkaEnvironment({ id: 3, brokers: 3 })).toMatchObject({
      KAFKA_NODE_ID: '3',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@kafka-1:9094,2@kafka-2:9094,3@kafka-3:9094',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'BROKER',
      KAFKA_MIN_INSYNC_REPLICAS: '2',
    })
  })

  test('what the start script says is not said here', () => {
    expect(kafkaEnvironment({ id: 1, brokers: 1 })).not.toHaveProperty('KAFKA_ADVERTISED_LISTENERS')
  })
})

test.each([
  ['log.dirs', 'KAFKA_LOG_DIRS'],
  ['with_underscore', 'KAFKA_WITH__UNDERSCORE'],
  ['with-dash', 'KAFKA_WITH___DASH'],
])('%s is spelled %s', (setting, name) => {
  expect(environmentName(setting)).toBe(name)
})
