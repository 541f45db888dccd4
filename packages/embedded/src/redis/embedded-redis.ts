import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolderOf } from '../cache-folder.ts'
import { openOnFreePorts } from '../process/free-ports.ts'
import { createProcessNode, type ProcessNode, saysPortTaken, startError } from '../process/server-node.ts'
import { openSupervisor } from '../process/supervisor.ts'
import { readRedisPid } from './redis-pid.ts'
import { installRedis } from './redis-program.ts'
import { type Durability, redisConf } from './redis-settings.ts'

/** A running Redis; disposal ends it and removes its folder if that is a temporary one. */
export interface EmbeddedRedis extends AsyncDisposable {
  readonly url: string
  /** Holds the data and redis.log. */
  readonly folder: string
  readonly node: ProcessNode
}

/**
 * Starts a real Redis (7 or newer, or Valkey) on a free port of 127.0.0.1, as a process that cannot outlive
 * this one. A given `dataFolder` is kept and continued by a later call; without one the data is removed at the
 * end. `id` tells several apart. Throws when no Redis can be had, and when it does not
 * start, with the last lines it printed.
 */
export async function openEmbeddedRedis({
  dataFolder = null,
  appendOnly = true,
  appendFsync = 'everysec',
  id = 1,
  cacheFolder = cacheFolderOf(),
  onProgress = () => {},
}: Partial<Durability> & {
  dataFolder?: string | null
  id?: number
  cacheFolder?: string
  onProgress?: (message: string) => void
} = {}): Promise<EmbeddedRedis> {
  const command = await installRedis({ cacheFolder, onProgress })
  await using opening = new AsyncDisposableStack()
  const supervisor = opening.use(await openSupervisor({ keptFolder: dataFolder, name: 'redis' }))
  const { folder } = supervisor
  const node = await openOnFreePorts({
    count: 1,
    open: async ([port = 0]) => {
      const settings = join(folder, 'redis.conf')
      await writeFile(settings, redisConf({ port, folder, appendOnly, appendFsync }))
      const created = createProcessNode({
        supervisor,
        id,
        port,
        order: { name: `Redis ${id}`, command, args: [settings], logFile: join(folder, 'redis.log') },
        isReady: async (pid) => (await readRedisPid({ host: '127.0.0.1', port })) === pid,
      })
      const outcome = await created.tryStart()
      if (outcome.kind === 'ready') return { kind: 'opened', value: created }
      const error = startError(outcome)
      if (saysPortTaken(outcome.log)) return { kind: 'port-taken', reason: error.message }
      throw error
    },
  })
  // What is kept gets an orderly end; what is removed anyway is killed by the supervisor.
  if (dataFolder !== null) opening.defer(() => node.stop())

  const resources = opening.move()
  return {
    url: `redis://127.0.0.1:${node.port}`,
    folder,
    node,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
