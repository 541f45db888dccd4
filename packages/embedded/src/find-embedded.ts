import type { Finding } from './infra-source.ts'
import { findJava } from './kafka/java.ts'
import { hasKafkaJars } from './kafka/kafka-jars.ts'
import { runCommand } from './process/run-command.ts'
import { findRedis, redisRemedy } from './redis/redis-program.ts'

const askDeadlineMs = 30_000

/** Looks whether Kafka and Redis can run as processes of this machine; downloads nothing. */
export async function findEmbedded({ cacheFolder }: { cacheFolder: string }): Promise<NonNullable<Finding>> {
  const [java, hasMaven, redis] = await Promise.all([
    findJava(),
    findMaven(cacheFolder),
    findRedis({ cacheFolder }),
  ])
  const missing = [
    ...(java.kind === 'missing'
      ? [
          `Java 17 or newer: ${java.reason} ` +
            '(Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk)',
        ]
      : []),
    ...(hasMaven
      ? []
      : ['Maven, to download Kafka once (Debian, Ubuntu: apt-get install maven; macOS: brew install maven)']),
    ...(redis.kind === 'missing' ? [redisRemedy] : []),
  ]
  return missing.length === 0 ? { usable: true } : { usable: false, missing }
}

async function findMaven(cacheFolder: string): Promise<boolean> {
  if (await hasKafkaJars(cacheFolder)) return true
  return (await runCommand('mvn', ['--version'], { deadlineMs: askDeadlineMs })).kind === 'done'
}
