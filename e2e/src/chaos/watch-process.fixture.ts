import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** What a service was like at one moment. */
export type Sight = {
  /** Epoch milliseconds. */
  at: number
  residentMiB: number
  /** What /readyz said; false also when it did not answer within a second. */
  isReady: boolean
}

export type Watch = AsyncDisposable & { sights: readonly Sight[] }

const everyMs = 200
const patienceMs = 1_000

/** Looks at a process of this machine (Linux) and at its readiness, five times a second, until it is disposed of. */
export function watchProcess({ pid, opsPort }: { pid: number; opsPort: number }): Watch {
  const sights: Sight[] = []
  let isOver = false

  async function isReady(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(patienceMs)
      const response = await fetch(`http://127.0.0.1:${opsPort}/readyz`, { signal })
      await response.arrayBuffer()
      return response.ok
    } catch {
      return false
    }
  }

  async function look(): Promise<void> {
    while (!isOver) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8')
      const residentKiB = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
      sights.push({ at: Date.now(), residentMiB: residentKiB / 1024, isReady: await isReady() })
      await delay(everyMs)
    }
  }

  const looking = look()
  looking.catch(() => undefined) // Told to whoever disposes.
  return {
    sights,
    async [Symbol.asyncDispose]() {
      isOver = true
      await looking
    },
  }
}

/** The middle one of the sizes seen in [from, to), in MiB. */
export function usualResidentMiB(sights: readonly Sight[], from: number, to: number): number {
  const sizes = sights
    .filter(({ at }) => at >= from && at < to)
    .map(({ residentMiB }) => residentMiB)
    .toSorted((a, b) => a - b)
  return sizes[Math.floor(sizes.length / 2)] ?? Number.NaN
}
