import kafkajs, { type Admin, type ITopicMetadata } from 'kafkajs'
import { rootReason, withAdmin } from './client.ts'
import type { KafkaConfig } from './config.ts'
import { type KafkaLog, silentLog } from './kafka-log.ts'
import { pause } from './pause.ts'

/** How a topic is made; partitions and replication come from the configuration and are the same for all. */
export type TopicSpec = {
  name: string
  cleanup: 'delete' | 'compact'
  retentionMs?: number
  maxMessageBytes?: number
  /** Further topic settings by their Kafka names. */
  config?: Readonly<Record<string, string>>
}

const clientId = 'signalbox-topics'
const leadersDeadlineMs = 15_000
const leadersPollMs = 100

/**
 * Sees to it that the topics exist as specified: creates the missing ones when `createTopics` allows it (several
 * processes may do so at once), checks the others, and waits until every partition has a leader.
 *
 * @throws KafkaUnreachable; an Error that names the topic, what was found and wanted, and the remedy
 */
export async function ensureTopics(
  config: KafkaConfig,
  specs: readonly TopicSpec[],
  options: { log: KafkaLog },
): Promise<void> {
  await withAdmin(config, { clientId, log: options.log }, async (admin) => {
    const missing = await missingTopics(admin, specs)
    if (missing.length > 0) {
      if (!config.createTopics) throw new Error(notThere(missing.map(({ name }) => name)))
      await createTopics(admin, config, missing)
      options.log.info({ topics: missing.map(({ name }) => name) }, 'kafka.topics_created')
    }
    const found = await topicsWithLeaders(admin, specs)
    const problems = [
      ...found.flatMap((topic) => partitionProblem(topic, config)),
      ...(await settingProblems(admin, specs, options.log)),
    ]
    if (problems.length > 0) throw new Error(problems.join('\n'))
  })
}

/**
 * The id that a cluster was given when it was made; it tells a restored log from another one.
 *
 * @throws KafkaUnreachable
 */
export async function clusterId(
  config: KafkaConfig,
  { log = silentLog }: { log?: KafkaLog } = {},
): Promise<string> {
  return withAdmin(config, { clientId, log }, async (admin) => (await admin.describeCluster()).clusterId)
}

async function missingTopics(admin: Admin, specs: readonly TopicSpec[]): Promise<TopicSpec[]> {
  const existing = new Set(await admin.listTopics())
  return specs.filter(({ name }) => !existing.has(name))
}

async function createTopics(admin: Admin, config: KafkaConfig, specs: readonly TopicSpec[]): Promise<void> {
  const topics = specs.map((spec) => ({
    topic: spec.name,
    numPartitions: config.partitions,
    replicationFactor: config.replication,
    configEntries: Object.entries(settingsOf(spec, config)).map(([name, value]) => ({ name, value })),
  }))
  try {
    // Another process may have been faster: kafkajs answers that with false.
    await admin.createTopics({ topics, waitForLeaders: false })
  } catch (cause) {
    throw new Error(await notCreated(admin, config, specs, cause), { cause })
  }
}

function settingsOf(spec: TopicSpec, config: KafkaConfig): Record<string, string> {
  return {
    'cleanup.policy': spec.cleanup,
    ...(spec.retentionMs === undefined ? {} : { 'retention.ms': String(spec.retentionMs) }),
    ...(spec.maxMessageBytes === undefined ? {} : { 'max.message.bytes': String(spec.maxMessageBytes) }),
    // With three copies a confirmed record is on two of them; with fewer, one that is down would stop all writing.
    ...(config.replication >= 3 ? { 'min.insync.replicas': '2' } : {}),
    'unclean.leader.election.enable': 'false',
    ...spec.config,
  }
}

/** Asks until every leader answers: a broker learns what it leads a moment after the controller has decided. */
async function topicsWithLeaders(admin: Admin, specs: readonly TopicSpec[]): Promise<ITopicMetadata[]> {
  const names = specs.map(({ name }) => name)
  const giveUpAt = Date.now() + leadersDeadlineMs
  for (;;) {
    try {
      for (const name of names) await admin.fetchTopicOffsets(name)
      return (await admin.fetchTopicMetadata({ topics: names })).topics
    } catch (cause) {
      if (Date.now() > giveUpAt) throw new Error(leaderMissing(names, cause), { cause })
    }
    await pause(leadersPollMs)
  }
}

function partitionProblem(topic: ITopicMetadata, config: KafkaConfig): string[] {
  if (topic.partitions.length === config.partitions) return []
  return [
    `Topic ${topic.name} has ${topic.partitions.length} partitions, but ${config.partitions} are wanted (TOPIC_PARTITIONS): ` +
      `set TOPIC_PARTITIONS=${topic.partitions.length}, or make all topics anew under a new major version; ` +
      'adding partitions to a topic in use would break the order of its keys.',
  ]
}

/** What a topic must not get wrong: the policy would lose records, the size would refuse them. */
async function settingProblems(admin: Admin, specs: readonly TopicSpec[], log: KafkaLog): Promise<string[]> {
  let resources: { resourceName: string; configEntries: { configName: string; configValue: string }[] }[]
  try {
    const described = await admin.describeConfigs({
      includeSynonyms: false,
      resources: specs.map(({ name }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
    })
    resources = described.resources
  } catch (error) {
    // The right to read settings is not one that a service needs otherwise.
    log.warn({ problem: rootReason(error) }, 'kafka.topic_settings_unchecked')
    return []
  }
  return specs.flatMap((spec) => {
    const entries = resources.find(({ resourceName }) => resourceName === spec.name)?.configEntries ?? []
    const found = new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
    return [
      ...exactly(spec, found, 'cleanup.policy', spec.cleanup),
      ...exactly(spec, found, 'message.timestamp.type', spec.config?.['message.timestamp.type']),
      ...atLeast(spec, found, 'max.message.bytes', spec.maxMessageBytes),
    ]
  })
}

type Found = ReadonlyMap<string, string>

function exactly(spec: TopicSpec, found: Found, setting: string, wanted: string | undefined): string[] {
  const value = found.get(setting)
  if (wanted === undefined || value === undefined || value === wanted) return []
  return [wrongSetting(spec, setting, value, wanted)]
}

function atLeast(spec: TopicSpec, found: Found, setting: string, wanted: number | undefined): string[] {
  const value = found.get(setting)
  if (wanted === undefined || value === undefined || Number(value) >= wanted) return []
  return [wrongSetting(spec, setting, value, String(wanted))]
}

function wrongSetting({ name }: TopicSpec, setting: string, value: string, wanted: string): string {
  return (
    `Topic ${name} has ${setting}=${value}, but ${wanted} is wanted: ` +
    `kafka-configs.sh --alter --entity-type topics --entity-name ${name} --add-config ${setting}=${wanted}`
  )
}

function notThere(names: readonly string[]): string {
  return (
    `Kafka has no topic ${names.join(', ')}: run "npm run topics", ` +
    'or let the services create topics with KAFKA_CREATE_TOPICS=true.'
  )
}

function leaderMissing(names: readonly string[], error: unknown): string {
  return (
    `Not every partition of ${names.join(', ')} has a leader that answers within ${leadersDeadlineMs} ms: ` +
    `${rootReason(error)}. Check that enough brokers run and that each is reachable under its advertised address.`
  )
}

async function notCreated(
  admin: Admin,
  config: KafkaConfig,
  specs: readonly TopicSpec[],
  error: unknown,
): Promise<string> {
  const { brokers } = await admin.describeCluster()
  const remedy =
    brokers.length < config.replication
      ? `${config.replication} copies are wanted (TOPIC_REPLICATION), but there are ${brokers.length} brokers: ` +
        `set TOPIC_REPLICATION=${brokers.length} or start more brokers.`
      : 'Check that this client may create topics and that the brokers know every setting asked for.'
  return `Kafka does not create ${specs.map(({ name }) => name).join(', ')}: ${reasonOf(error)}. ${remedy}`
}

function reasonOf(error: unknown): string {
  if (!(error instanceof kafkajs.KafkaJSAggregateError)) return rootReason(error)
  return [...new Set(error.errors.map(rootReason))].join(' ')
}
