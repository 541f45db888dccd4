import { cacheFolderOf } from '../cache-folder.ts'
import { classArchiveOptions } from './class-archive.ts'
import { findJava } from './java.ts'
import { type EmbeddedKafka, openKafkaCluster } from './kafka-cluster.ts'
import { installKafka } from './kafka-jars.ts'
import type { BrokerCount } from './kafka-settings.ts'

export type { EmbeddedKafka }

/** The last one given counts. */
const allCompilers = '-XX:TieredStopAtLevel=4'

/**
 * Starts a real Kafka, KRaft, of one or three brokers on free ports of 127.0.0.1, as processes that cannot
 * outlive this one. The first call downloads it. A given `dataFolder` is kept and continued by a later call
 * with the same number of brokers; without one the data is removed at the end. Throws when Java, or for the
 * first call Maven, is missing, and when a broker does not start, with the last lines it printed.
 *
 * @param forLoad starts more slowly and is faster once it runs, as in production
 */
export async function openEmbeddedKafka({
  brokers,
  dataFolder = null,
  cacheFolder = cacheFolderOf(),
  forLoad = false,
  onProgress = () => {},
}: {
  brokers: BrokerCount
  dataFolder?: string | null
  cacheFolder?: string
  forLoad?: boolean
  onProgress?: (message: string) => void
}): Promise<EmbeddedKafka> {
  const java = await findJava()
  if (java.kind === 'missing') throw new Error(`Kafka needs Java 17 or newer: ${java.reason}`)
  const installation = await installKafka({ cacheFolder, onProgress })
  const jvmOptions = await classArchiveOptions({ installation, javaVersion: java.version, onProgress })
  return openKafkaCluster({
    installation,
    brokers,
    dataFolder,
    jvmOptions: forLoad ? [...jvmOptions, allCompilers] : jvmOptions,
  })
}
