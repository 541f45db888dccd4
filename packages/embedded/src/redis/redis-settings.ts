export interface Durability {
  /** Whether writes survive the end of the server. */
  appendOnly: boolean
  /** `always`: a confirmed write survives even a power cut; `everysec`: the last second may be lost. */
  appendFsync: 'always' | 'everysec'
}

/** The settings of every Redis, wherever it runs; valid from Redis 7 on. */
export function redisSettings({ appendOnly, appendFsync }: Durability): Record<string, string> {
  return {
    // BullMQ and the state both lose data silently under any eviction.
    'maxmemory-policy': 'noeviction',
    // The hash of one registration stays in the compact form.
    'hash-max-listpack-value': '1100',
    save: '""',
    appendonly: appendOnly ? 'yes' : 'no',
    appendfsync: appendFsync,
  }
}

/** The text of redis.conf of a server on the loopback interface. */
export function redisConf({ port, folder, ...durability }: Durability & { port: number; folder: string }) {
  const settings = {
    ...redisSettings(durability),
    bind: '127.0.0.1',
    port: String(port),
    dir: JSON.stringify(folder),
    daemonize: 'no',
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}
