import { readdir, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { KeptProcess, Parts } from './parts.ts'
import type { Fault } from './plan.ts'

/** A fault as it came, times in epoch milliseconds. */
export type Strike = {
  fault: Fault
  startedMs: number
  /** When what was away answered again, or was gone for good. */
  endedMs: number
  /** What there was to be lost: alerts owed just before. */
  owed: number
  /** What shows that it took effect; null: nothing does. */
  mark: string | null
}

const killPauseMs = 5

/** Lets faults come. Those of one target come one after the other, those of several may overlap. */
export function createStriker(parts: Parts) {
  const strikes: Strike[] = []
  const targets = new Map<string, Promise<void>>()

  async function strike(fault: Fault): Promise<void> {
    const owed = await owedNow(parts)
    const startedMs = Date.now()
    const mark = await effectOf(fault, parts)
    strikes.push({ fault, startedMs, endedMs: Date.now(), owed, mark })
  }

  return {
    strikes,
    begin(fault: Fault): void {
      const target = 'process' in fault ? `alerts ${fault.process}` : 'redis'
      const done = (targets.get(target) ?? Promise.resolve()).then(() => strike(fault))
      targets.set(target, done)
      done.catch(() => undefined) // Told to whoever waits for all.
    },
    /** Resolves when all that have begun are over. */
    async over(): Promise<void> {
      await Promise.all(targets.values())
    },
  }
}

export async function owedNow({ book, kafka }: Pick<Parts, 'book' | 'kafka'>): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: kafka.partitions }, (_, partition) => book.owedCount(partition)),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

async function effectOf(fault: Fault, parts: Parts): Promise<string | null> {
  switch (fault.kind) {
    case 'alerts killed': {
      const { process, ends } = keptOf(parts, fault)
      const before = ends.length
      // It may just be about to be started anew.
      while (ends.length === before) {
        await process.kill()
        await delay(killPauseMs)
      }
      const how = ends[before]?.how ?? ''
      return how === 'signal SIGKILL' || how === 'no start' ? how : null
    }
    case 'alerts stopped': {
      const kept = keptOf(parts, fault)
      const wasRunning = kept.isRunning()
      await kept.process.pause()
      await delay(fault.forMs)
      kept.process.resume()
      return wasRunning ? `stopped for ${fault.forMs} ms` : null
    }
    case 'queue redis killed':
      return aroundRestart(parts, fault, async () => null)
    case 'queue redis lost its tail':
      return aroundRestart(parts, fault, () => cutTail(parts.redisFolder, fault.share))
    default: {
      const keys = await parts.redis.dbsize()
      await parts.redis.flushall()
      return keys > 0 ? `${keys} keys gone` : null
    }
  }
}

function keptOf({ alerts }: Parts, { process }: { process: number }): KeptProcess {
  const kept = alerts[process]
  if (kept === undefined) throw new Error(`there is no alerts process ${process}`)
  return kept
}

async function aroundRestart(
  { redis, redisNode }: Parts,
  { downMs }: { downMs: number },
  whileDown: () => Promise<string | null>,
): Promise<string | null> {
  const before = await runIdOf(redis)
  await redisNode.kill()
  const mark = await whileDown()
  await delay(downMs)
  await redisNode.start()
  const after = await runIdOf(redis)
  return before === after ? null : (mark ?? `run ${after.slice(0, 8)} after ${before.slice(0, 8)}`)
}

async function runIdOf(redis: Parts['redis']): Promise<string> {
  return /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1] ?? ''
}

/** As after a power failure: the last writes were never on the disk. */
async function cutTail(redisFolder: string, share: number): Promise<string | null> {
  const folder = join(redisFolder, 'appendonlydir')
  const name = (await readdir(folder)).find((file) => file.endsWith('.incr.aof'))
  if (name === undefined) return null
  const { size } = await stat(join(folder, name))
  const cut = Math.floor(size * share)
  await truncate(join(folder, name), size - cut)
  return cut > 0 ? `${cut} of ${size} bytes gone` : null
}
