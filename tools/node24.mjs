// Runs a command under Node 24, whatever Node the host has, after installing the dependencies if they are
// missing or older than the lockfile. Plain JavaScript and no imports beyond Node's own: this file has to
// work on Node 20 in a clone where nothing is installed yet.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const wanted = 24

install()
const node = findNode()
const [command, ...args] = process.argv.slice(2)
if (command === undefined) fail('usage: node tools/node24.mjs <command> [arguments]')

const child = spawn(command, args, {
  stdio: 'inherit',
  cwd: root,
  env: {
    ...process.env,
    PATH: [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
    TURBO_TELEMETRY_DISABLED: '1',
  },
})
// The terminal sends Ctrl-C to the whole group, so the child gets it too; other signals are passed on.
// Either way this launcher stays until the child has cleaned up.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
}
child.on('error', (error) => fail(`Cannot run ${command}: ${error.message}`))
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))

function install() {
  const lockfile = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  const stamp = join(root, 'node_modules', '.installed-lockfile')
  const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockfile
  if (isInstalled()) return
  const release = takeTurn()
  try {
    // Another command in this clone may have installed them while this one waited for its turn.
    if (isInstalled()) return
    process.stderr.write('Installing dependencies (npm ci) ...\n')
    // Whatever NODE_ENV or the user's settings leave out, the tools are needed.
    const npm = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
    const { status } = spawnSync('npm', npm, { cwd: root, stdio: ['ignore', 2, 2] })
    if (status !== 0) fail('npm ci failed; its messages are above.')
    writeFileSync(stamp, lockfile)
  } finally {
    release()
  }
}

/** One install at a time in a clone. A turn that its process did not live to give back is taken over. */
function takeTurn() {
  const turn = join(root, '.install-turn')
  const release = () => rmSync(turn, { force: true })
  const giveUpAt = Date.now() + 10 * 60_000
  for (let waits = 0; Date.now() < giveUpAt; waits++) {
    try {
      writeFileSync(turn, String(process.pid), { flag: 'wx' })
      process.on('exit', release)
      return release
    } catch {
      if (waits === 0)
        process.stderr.write('Waiting for another command that installs the dependencies ...\n')
      if (!isRunning(ownerOf(turn))) release()
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    }
  }
  return fail(`Another command holds ${turn} for ten minutes. If none is running, remove that file.`)
}

/** @param {string} turn */
function ownerOf(turn) {
  try {
    return Number(readFileSync(turn, 'utf8'))
  } catch {
    return 0 // given back in this moment
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

function findNode() {
  if (major(process.version) >= wanted) return process.execPath
  try {
    const name = `node-${process.platform}-${process.arch}`
    const packaged = createRequire(import.meta.url).resolve(`${name}/package.json`)
    const binary = join(dirname(packaged), 'bin', 'node')
    if (existsSync(binary)) return binary
  } catch {
    // No such package for this platform: said below.
  }
  return fail(
    `Node ${wanted} is needed, this is ${process.version}, and no packaged Node ${wanted} exists for ` +
      `${process.platform}-${process.arch}. Install Node ${wanted} and run the command again.`,
  )
}

/** @param {string} version */
function major(version) {
  return Number(version.slice(1).split('.')[0])
}

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
