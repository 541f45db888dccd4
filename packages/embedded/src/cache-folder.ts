import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** Where downloaded servers are kept between runs: the user's cache folder, as the XDG convention has it. */
// oxlint-disable-next-line node/no-process-env -- where a user keeps caches is no service's configuration
export function cacheFolderOf(env: Record<string, string | undefined> = process.env): string {
  const base = env['XDG_CACHE_HOME']
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'signalbox')
}

const abandonedAfterMs = 60 * 60_000

/**
 * Makes sure that the folder `target` exists, filled by `build`. It appears whole or not at all, and of
 * several processes that do this at once each succeeds: the first to finish wins, the others discard theirs.
 */
export async function installOnce(target: string, build: (folder: string) => Promise<void>): Promise<void> {
  if (await exists(target)) return
  await mkdir(dirname(target), { recursive: true })
  const unfinished = join(dirname(target), `.${basename(target)}-`)
  await removeAbandoned(unfinished)
  const building = await mkdtemp(unfinished)
  try {
    await build(building)
    await rename(building, target)
  } catch (error) {
    if (!(await exists(target))) throw error
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}

/** What an installation that was cut short has left behind. */
async function removeAbandoned(prefix: string): Promise<void> {
  const folder = dirname(prefix)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(basename(prefix))) continue
    const found = await stat(join(folder, name)).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > abandonedAfterMs) {
      await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}
