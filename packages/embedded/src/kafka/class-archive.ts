import { createHash, randomUUID } from 'node:crypto'
import { rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openKafkaCluster } from './kafka-cluster.ts'
import type { KafkaInstallation } from './kafka-jars.ts'

/**
 * JVM options that make Kafka start from an archive of its loaded classes, in half the time. The archive is
 * made once by a broker that starts and stops; it holds for one JDK and one class path. Where it cannot be
 * made, there are no options: Kafka then starts without it.
 */
export async function classArchiveOptions({
  installation,
  javaVersion,
  onProgress,
}: {
  installation: KafkaInstallation
  javaVersion: string
  onProgress: (message: string) => void
}): Promise<string[]> {
  const key = createHash('sha256').update(`${javaVersion}\n${installation.classPath}`).digest('hex')
  const archive = join(installation.folder, `classes-${key.slice(0, 16)}.jsa`)
  const known = await sizeOf(archive)
  if (known === null) {
    onProgress("preparing Kafka's class archive for fast starts (once)")
    await makeArchive({ installation, archive })
  }
  const size = known ?? (await sizeOf(archive))
  return size === null || size === 0 ? [] : [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto']
}

async function makeArchive({
  installation,
  archive,
}: {
  installation: KafkaInstallation
  archive: string
}): Promise<void> {
  const making = `${archive}.${randomUUID()}`
  try {
    await using cluster = await openKafkaCluster({
      installation,
      brokers: 1,
      dataFolder: null,
      jvmOptions: [`-XX:ArchiveClassesAtExit=${making}`],
    })
    await cluster.nodes[0]?.stop()
  } catch {
    return // whatever is wrong, the start that follows runs into it too and says so
  }
  // An empty archive says that this JDK makes none, so that not every start tries again.
  await rename(making, archive).catch(() => writeFile(archive, ''))
}

async function sizeOf(file: string): Promise<number | null> {
  return (await stat(file).catch(() => null))?.size ?? null
}
