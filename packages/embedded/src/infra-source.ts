export type Environment = Record<string, string | undefined>

/** Where Kafka and Redis of a demo or a test run come from. */
export type InfraSource = 'embedded' | 'docker' | 'env'

/** Whether a source can be used; if not, what is missing, one line each. Null when it was not looked at. */
export type Finding = { usable: true } | { usable: false; missing: string[] } | null

const settings = ['embedded', 'docker', 'env'] as const

/** The source that SIGNALBOX_INFRA forces, or null. Throws on any other value. */
export function forcedSource(env: Environment): InfraSource | null {
  const value = env['SIGNALBOX_INFRA']
  if (value === undefined || value === '') return null
  const known = settings.find((setting) => setting === value)
  if (known !== undefined) return known
  throw new Error(
    `SIGNALBOX_INFRA is "${value}"; it may be ${settings.join(', ')}, or unset for the first of these that works`,
  )
}

/**
 * Decides where Kafka and Redis come from: what is forced, else processes of this machine, else Docker. The
 * environment's own are never taken unasked, because tests flush and kill what they use. Throws with what is
 * missing and how to get it when nothing can be used.
 */
export function chooseSource({
  forced,
  embedded,
  docker,
}: {
  forced: InfraSource | null
  embedded: Finding
  docker: Finding
}): InfraSource {
  if (forced === 'env') return 'env'
  if (forced !== 'docker' && embedded?.usable === true) return 'embedded'
  if (forced !== 'embedded' && docker?.usable === true) return 'docker'
  throw new Error(
    [
      forced === null
        ? 'Kafka and Redis are needed, and neither way to start them works here.'
        : `SIGNALBOX_INFRA=${forced} asks for Kafka and Redis in a way that does not work here.`,
      ...missingLines('As processes of this machine (embedded), missing:', embedded),
      ...missingLines('In Docker containers (docker), missing:', docker),
      'Or SIGNALBOX_INFRA=env with KAFKA_BROKERS and REDIS_URL names your own, which the run may flush.',
    ].join('\n'),
  )
}

function missingLines(heading: string, finding: Finding): string[] {
  if (finding === null || finding.usable) return []
  return [heading, ...finding.missing.map((line) => `  - ${line}`)]
}

/** The environment's own Kafka and Redis, both as comma-separated lists. Throws naming what is missing. */
export function ownServers(
  env: Environment,
  { redisCount }: { redisCount: number },
): { kafkaBrokers: string[]; redisUrls: string[] } {
  const kafkaBrokers = listOf(env['KAFKA_BROKERS'])
  const redisUrls = listOf(env['REDIS_URL'])
  const missing = [
    ...(kafkaBrokers.length === 0 ? ['KAFKA_BROKERS (host:port, comma-separated)'] : []),
    ...(redisUrls.length === 0 ? ['REDIS_URL (redis://host:port)'] : []),
  ]
  if (missing.length > 0) throw new Error(`SIGNALBOX_INFRA=env also needs ${missing.join(' and ')}`)
  if (redisUrls.length < redisCount) {
    throw new Error(
      `This run needs ${redisCount} Redis servers; REDIS_URL names ${redisUrls.length} (comma-separated)`,
    )
  }
  return { kafkaBrokers, redisUrls: redisUrls.slice(0, redisCount) }
}

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
