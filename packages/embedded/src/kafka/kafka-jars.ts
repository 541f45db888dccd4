import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { exists, installOnce } from '../cache-folder.ts'
import { lastLines, runCommand } from '../process/run-command.ts'
import { serverProperties } from './kafka-settings.ts'

const kafkaVersion = '4.3.1'
const copyDependencies = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const downloadDeadlineMs = 10 * 60_000
const formatDeadlineMs = 60_000
const downloads = 2

/** An installed Kafka. */
export interface KafkaInstallation {
  folder: string
  classPath: string
  /** bootstrap.checkpoint of a freshly formatted log folder. */
  bootstrapCheckpoint: string
}

function kafkaFolderOf(cacheFolder: string): string {
  return join(cacheFolder, `kafka-${kafkaVersion}`)
}

/** Whether Kafka's jars are there already, so that Maven is not needed. */
export function hasKafkaJars(cacheFolder: string): Promise<boolean> {
  return exists(join(kafkaFolderOf(cacheFolder), 'libs'))
}

/** Downloads Kafka by Maven and formats a template, unless both are in the cache. Needs Java. */
export async function installKafka({
  cacheFolder,
  onProgress,
}: {
  cacheFolder: string
  onProgress: (message: string) => void
}): Promise<KafkaInstallation> {
  const folder = kafkaFolderOf(cacheFolder)
  const libs = join(folder, 'libs')
  await installOnce(libs, async (building) => {
    onProgress(`downloading Kafka ${kafkaVersion} (44 MB, once)`)
    await downloadJars(building)
  })
  const jars = (await readdir(libs)).filter((name) => name.endsWith('.jar')).toSorted()
  // Spelled out and sorted: the class archive holds for one exact class path.
  const classPath = jars.map((name) => join(libs, name)).join(delimiter)

  const template = join(folder, 'template')
  await installOnce(template, async (building) => {
    onProgress('formatting a Kafka data folder (once)')
    await formatTemplate({ building, classPath })
  })
  return { folder, classPath, bootstrapCheckpoint: join(template, 'bootstrap.checkpoint') }
}

async function downloadJars(folder: string): Promise<void> {
  await writeFile(join(folder, 'pom.xml'), pom)
  let said = ''
  // Twice, as two first runs at once may trip over each other in Maven's own local repository.
  for (let download = 0; download < downloads; download++) {
    const outcome = await runCommand(
      'mvn',
      ['--batch-mode', '--quiet', '--strict-checksums', copyDependencies, `-DoutputDirectory=${folder}`],
      { cwd: folder, deadlineMs: downloadDeadlineMs },
    )
    if (outcome.kind === 'done') return
    if (outcome.kind === 'absent') {
      throw new Error(
        `Maven is needed to download Kafka ${kafkaVersion} once, and there is no mvn on PATH. ` +
          'Install it (Debian, Ubuntu: apt-get install maven; macOS: brew install maven).',
      )
    }
    said = lastLines(outcome.output)
  }
  throw new Error(`Maven could not download Kafka ${kafkaVersion}:\n${said}`)
}

async function formatTemplate({
  building,
  classPath,
}: {
  building: string
  classPath: string
}): Promise<void> {
  const logFolder = join(building, 'formatted')
  await mkdir(logFolder)
  const properties = join(building, 'server.properties')
  const nodes = [{ id: 1, client: 1, controller: 2 }] // never listened on
  await writeFile(properties, serverProperties({ id: 1, nodes, logFolder }))
  const outcome = await runCommand(
    'java',
    [
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      classPath,
      'kafka.tools.StorageTool',
      'format',
      '--cluster-id=AAAAAAAAAAAAAAAAAAAAAA',
      '-c',
      properties,
    ],
    { deadlineMs: formatDeadlineMs },
  )
  if (outcome.kind !== 'done') {
    const said = outcome.kind === 'failed' ? lastLines(outcome.output) : 'there is no java on PATH'
    throw new Error(`Kafka's storage tool failed:\n${said}`)
  }
  await rename(join(logFolder, 'bootstrap.checkpoint'), join(building, 'bootstrap.checkpoint'))
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>signalbox</groupId>
  <artifactId>embedded-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${kafkaVersion}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`
