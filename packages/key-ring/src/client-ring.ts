import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '@signalbox/runtime/log'
import type { Metrics } from '@signalbox/runtime/metrics'
import { describeFailure, StartProblem } from '@signalbox/runtime/start-problem'
import { changesBetween, type ClientsVersion } from './client-changes.ts'
import { type ClientDirectory, createClientDirectory } from './client-directory.ts'
import { type ClientFiles, createClientFilesReader } from './client-files.ts'

/** The clients of the clients file, always by its last good version. */
export type ClientRing = AsyncDisposable & {
  /** The directory in force, to be asked anew for every request; it costs nothing. */
  current: () => ClientDirectory
  /** For readiness: ok while any good version serves; the detail tells why a newer one is refused, and since when. */
  check: () => { ok: boolean; detail: string }
}

const standardPollMs = 1_000
/** Time between two looks that must find the same before it counts: a file may be half written at the first. */
const settleMs = 100
const maxProblemLength = 2_000
const maxNamed = 50

/**
 * Loads the clients file, and again whenever it or a private key file that it names has other content, however that
 * came about: written in place, renamed over, a symlink swapped, deleted and made anew. Files are read again every
 * `pollMs` because notice of changes is unreliable on mounted volumes. A new version takes effect as a whole within
 * `pollMs` and a little more; one that cannot be used is refused, told once, and leaves the last good one in force.
 * Reading costs under a millisecond of CPU for each client and look, and never holds up the thread; making the keys
 * of a new version takes some 150 µs per client at once.
 *
 * @throws StartProblem when the first version cannot be used
 */
export function openClientRing({
  file,
  pollMs = standardPollMs,
  log,
  metrics,
}: {
  file: string
  pollMs?: number
  log: Logger
  metrics: Metrics
}): ClientRing {
  const reader = createClientFilesReader(file)
  const told = createTelling({ file, log, metrics })
  let inForce = load(reader.readNow())
  let refusal: { digest: string; problem: string; since: string } | null = null
  told.started(inForce)

  const closing = new AbortController()
  const watching = watch()

  async function watch(): Promise<void> {
    let seen = inForce.digest
    let pauseMs = pollMs
    while (await pause(pauseMs, closing.signal)) {
      const files = await reader.read()
      if (closing.signal.aborted) return
      const isSettled = files.digest === seen
      seen = files.digest
      if (isSettled && files.digest !== (refusal ?? inForce).digest) judge(files)
      pauseMs = isSettled ? pollMs : Math.min(settleMs, pollMs)
    }
  }

  function judge(files: ClientFiles): void {
    if (files.digest === inForce.digest) {
      refusal = null
      return told.recovered()
    }
    let next: Loaded
    try {
      next = load(files)
    } catch (error) {
      // Whatever it is, the version in force still serves.
      const problem = problemOf(error)
      refusal = { digest: files.digest, problem, since: new Date().toISOString() }
      return told.refused(problem)
    }
    const before = inForce
    inForce = next
    refusal = null
    told.loaded(before, next)
  }

  return {
    current: () => inForce.directory,
    check() {
      const serving = `${inForce.directory.clientCount} clients, loaded ${inForce.loadedAt}`
      if (refusal === null) return { ok: true, detail: serving }
      return {
        ok: true,
        detail: `${serving}; a newer version is refused since ${refusal.since}: ${refusal.problem}`,
      }
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await watching
    },
  }
}

type Loaded = ClientsVersion & { digest: string; loadedAt: string }

function load(files: ClientFiles): Loaded {
  const directory = createClientDirectory(files)
  if (files.clients.kind === 'refused') throw new Error('refused clients have no directory')
  const { clients } = files.clients
  return { digest: files.digest, directory, clients, loadedAt: new Date().toISOString() }
}

function problemOf(error: unknown): string {
  const text = error instanceof StartProblem ? error.message : `unexpected: ${describeFailure(error)}`
  return text.slice(0, maxProblemLength)
}

/** Whether to go on after so long. */
async function pause(ms: number, closing: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal: closing, ref: false })
    return true
  } catch {
    return false
  }
}

/** Log lines and metrics about versions of the clients file; neither ever holds a key. */
function createTelling({ file, log, metrics }: { file: string; log: Logger; metrics: Metrics }) {
  const refused = metrics.gauge({
    name: 'clients_file_refused',
    help: 'Whether the clients file as it is now is refused, so that an older version serves: 1 or 0.',
  })
  const loadedAt = metrics.gauge({
    name: 'clients_file_loaded_timestamp_seconds',
    help: 'When the version of the clients file in force was loaded, in Unix time.',
  })
  const reloads = metrics.counter({
    name: 'clients_file_reloads_total',
    help: 'New versions of the clients file seen while running, by outcome.',
    labels: ['outcome'],
  })
  reloads.inc({ outcome: 'loaded' }, 0)
  reloads.inc({ outcome: 'refused' }, 0)

  function serves({ loadedAt: at }: Loaded): void {
    refused.set(0)
    loadedAt.set(Date.parse(at) / 1000)
  }

  return {
    started: serves,
    loaded(before: Loaded, next: Loaded): void {
      serves(next)
      reloads.inc({ outcome: 'loaded' })
      const { added, removed, changed, cutOff } = changesBetween(before, next)
      log.info(
        {
          file,
          clientCount: next.directory.clientCount,
          added: added.slice(0, maxNamed),
          removed: removed.slice(0, maxNamed),
          changed: changed.slice(0, maxNamed),
        },
        'clients.reloaded',
      )
      const { clients, paths, withoutKey } = cutOff
      if (clients.length + paths.length + withoutKey.length === 0) return
      log.warn(
        {
          clients: clients.slice(0, maxNamed),
          paths: paths.slice(0, maxNamed),
          withoutKey: withoutKey.slice(0, maxNamed),
        },
        'clients.cut_off',
      )
    },
    refused(problem: string): void {
      refused.set(1)
      reloads.inc({ outcome: 'refused' })
      log.error({ file, problem }, 'clients.refused')
    },
    recovered(): void {
      refused.set(0)
      log.info({ file }, 'clients.recovered')
    },
  }
}
