import { topics } from '@signalbox/contracts/topics'
import { parseWatermark } from '@signalbox/registration-store/watermark'
import type { FaultKind } from './fault-kinds.ts'
import type { PlannedFault } from './plan.ts'
import type { PartitionView } from './ports/memory-store.ts'
import type { Call, Meddler, Step } from './scheduler.ts'
import type { World } from './world.ts'

/** `waits`: there is no occasion yet. `struck`: it is done, and the step goes on. `taken`: it took the step's place. */
type Blow = 'waits' | 'struck' | 'taken'

type Strike = (world: World, step: Step, pick: number) => Blow

const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const retentionMs = 14 * dayMs
const tombstoneMs = 7 * dayMs

const of = <T>(pick: number, from: readonly [T, ...T[]]): T => from[Math.floor(pick * from.length)] ?? from[0]

/** Over by the end of the retry horizon of a request: what is on its way longer is lost. */
const lateMs = (pick: number) => of(pick, [secondMs, minuteMs, 10 * minuteMs])

const strikes: Record<FaultKind, Strike> = {
  crash(world, step, pick) {
    if (step.half === 'request' && pick < 0.5) step.go()
    world.crash(step.process, { restartMs: of(pick, [secondMs, minuteMs, hourMs]) })
    return 'taken'
  },

  stall(world, step, pick) {
    world.scheduler.putBack(step)
    const forMs = of((pick * 7) % 1, [2 * secondMs, 30 * secondMs, 20 * minuteMs, 3 * hourMs, 30 * hourMs])
    world.stall(step.process, { forMs })
    return 'taken'
  },

  // What it was about to write is old by then, and nobody has looked at it when the view is made anew.
  'zombie wakes into a flush'(world, step, pick) {
    const [first] = step.records ?? []
    if (step.half !== 'request' || first?.topic !== topics.state.name) return 'waits'
    world.scheduler.putBack(step)
    // Where compaction takes what was newer, only what is folded again after a rebuild is left of it: 48 h.
    const isCompacted = world.plan.compactionLagMs === 0
    const longestMs = isCompacted ? 30 * hourMs : 60 * hourMs
    const forMs = of((pick * 7) % 1, [minuteMs, 30 * hourMs, longestMs, longestMs])
    world.stall(step.process, { forMs })
    world.clock.after(forMs + Math.floor(pick * 100), () => {
      if (isCompacted) compact(world)
      if (world.stateRedis.flush() && pick > 0.3) world.announceNewRun('processor')
    })
    return 'taken'
  },

  'call fails': (_, step) => failing(step, 'request', 'no answer'),
  'answer lost': (_, step) => (step.writes ? failing(step, 'answer', 'the answer is lost') : 'waits'),

  'call slow'(world, step, pick) {
    world.clock.after(of(pick, [secondMs, minuteMs, 10 * minuteMs]), () => {
      if (step.process.state !== 'dead') world.scheduler.putBack(step)
    })
    return 'taken'
  },

  'script lands late'(world, step, pick) {
    if (step.system !== 'state redis' || step.writes !== true || step.half !== 'request') return 'waits'
    world.clock.after(lateMs(pick), () => step.go())
    step.fail('no answer in time')
    return 'taken'
  },

  'kafka away': away((call) => call.system === 'kafka'),
  'state redis away': away((call) => call.system === 'state redis'),
  'state redis full': away((call) => call.system === 'state redis' && call.writes === true),
  'queue redis away': away((call) => call.system === 'queue redis'),

  'produce lands late'(world, step, pick) {
    const { records } = step
    if (records === undefined || step.half !== 'request') return 'waits'
    world.clock.after(lateMs(pick), () => world.broker.append(records))
    step.fail('not confirmed')
    return 'taken'
  },
  'produce lands twice'(world, step) {
    if (step.records === undefined || step.half !== 'request') return 'waits'
    world.broker.append(step.records)
    return 'struck'
  },
  'produce copy lands late'(world, step, pick) {
    const { records } = step
    if (records === undefined || step.half !== 'request') return 'waits'
    world.clock.after(lateMs(pick), () => world.broker.append(records))
    return 'struck'
  },
  'produce lands in part'(world, step, pick) {
    const { records } = step
    if (records === undefined || step.half !== 'request' || records.length < 2) return 'waits'
    world.broker.append(records.slice(0, 1 + Math.floor(pick * (records.length - 1))))
    step.fail('not confirmed')
    return 'taken'
  },

  'state redis loses its tail'(world, _, pick) {
    // A watermark before what retention has taken would rightly stop the partition: that is data loss, and no test.
    const leastOf = (partition: number) => {
      const raw = { topic: topics.raw.name, partition }
      const { start } = world.broker.bounds(raw)
      if (world.plan.compactionLagMs > 0) return start
      // What is folded again from long ago buries newer states for as long as that takes. A compaction that does not
      // wait takes them, and were Redis lost meanwhile, 48 h would not be enough to have them back.
      const recent = world.broker.offsetAt({ ...raw, timeMs: world.clock.nowMs() - 12 * hourMs })
      return recent > start ? recent : start
    }
    const lost = world.stateRedis.loseTail(1 + Math.floor(pick * 12), (views) =>
      partitionsOf(world).every((partition) => {
        const least = leastOf(partition)
        return (nextOf(views.get(partition)) ?? least) >= least
      }),
    )
    if (lost && pick > 0.5) world.announceNewRun('processor')
    return lost ? 'struck' : 'waits'
  },
  'state redis flushed'(world, _, pick) {
    const lost = world.stateRedis.flush()
    if (lost && pick > 0.5) world.announceNewRun('processor')
    return lost ? 'struck' : 'waits'
  },
  'state redis loses its tail in a rebuild'(world, step, pick) {
    const isWithin = step.half === 'request' && ['restore', 'finish the rebuild'].includes(step.what)
    const isMuch = [...world.stateRedis.now().values()].some(({ registrations }) => registrations.size > 0)
    const lost = isWithin && isMuch && world.stateRedis.loseTail(1 + Math.floor(pick * 2))
    return lost ? 'struck' : 'waits'
  },

  'queue redis loses its tail'(world, _, pick) {
    return world.queueRedis.loseTail(1 + Math.floor(pick * 12)) ? withNewRun(world, pick) : 'waits'
  },
  'queue redis flushed'(world, _, pick) {
    return world.queueRedis.flush() ? afterFlush(world, pick) : 'waits'
  },
  'queue redis flushed after alerts were settled'(world, _, pick) {
    return isMuchSettled(world) && world.queueRedis.flush() ? afterFlush(world, pick) : 'waits'
  },
  'queue redis loses what was settled'(world, _, pick) {
    if (!isMuchSettled(world)) return 'waits'
    const { size } = world.queueRedis.now().settled
    const lost = world.queueRedis.loseTail(200, ({ settled }) => settled.size < size && settled.size > 0)
    return lost ? withNewRun(world, pick) : 'waits'
  },

  rebalance(world, _, pick) {
    of(pick, [world.groups.processors, world.groups.fanOuts, world.groups.tails]).rebalance()
    return 'struck'
  },
  'group offsets lost'(world, _, pick) {
    of(pick, [world.groups.processors, world.groups.fanOuts, world.groups.tails]).forgetOffsets()
    return 'struck'
  },

  'state topic compacted': (world) => (compact(world) > 0 ? 'struck' : 'waits'),

  'raw retention'(world) {
    const gone = partitionsOf(world).map((partition) => expireRaw(world, partition).gone)
    return gone.some((count) => count > 0) ? 'struck' : 'waits'
  },

  'clock jumps'(_, step, pick) {
    step.process.skewMs = of(pick, [-26 * hourMs, -hourMs, hourMs, 26 * hourMs])
    return 'struck'
  },
}

/** Redis has lost its end, so it is another run: connections end at once, and who reads its log may hear of it late. */
function withNewRun(world: World, pick: number): Blow {
  world.dropQueueConnections()
  if (pick > 0.5) world.announceNewRun('fan-out')
  return 'struck'
}

/** Whoever flushes a Redis that runs on ends no connection. */
function afterFlush(world: World, pick: number): Blow {
  return pick > 0.5 ? withNewRun(world, pick) : 'struck'
}

function isMuchSettled(world: World): boolean {
  return world.queueRedis.now().settled.size >= 3
}

/** Lets the planned faults strike, each at its first occasion. */
export function createMeddler(world: World): Meddler {
  const coming = [...world.plan.faults]
  const armed: PlannedFault[] = []

  return function meddle(step) {
    while ((coming[0]?.at ?? Number.POSITIVE_INFINITY) <= world.scheduler.steps()) {
      armed.push(...coming.splice(0, 1))
    }
    const nowMs = world.clock.nowMs()
    if (step.half === 'request' && !step.sure) {
      const outage = world.outages.find(({ concerns, endsMs }) => endsMs > nowMs && concerns(step))
      if (outage !== undefined) {
        step.fail('is away')
        return true
      }
    }
    for (const fault of armed.slice()) {
      const blow = strikes[fault.kind](world, step, fault.pick)
      if (blow === 'waits') continue
      armed.splice(armed.indexOf(fault), 1)
      world.count(fault.kind)
      world.note(`fault: ${fault.kind} (${fault.pick.toFixed(2)}) at ${step.process.name}, ${step.what}`)
      if (blow === 'taken') return true
    }
    return false
  }
}

export function compact(world: World): number {
  const { compactionLagMs: lagMs } = world.plan
  const gone = partitionsOf(world).map((partition) =>
    world.broker.compact({ topic: topics.state.name, partition }, { lagMs, tombstoneMs }),
  )
  return gone.reduce((sum, each) => sum + each, 0)
}

/** Retention of the raw topic. `isDone`: nothing that is old enough to go is left. */
export function expireRaw(world: World, partition: number): { gone: number; isDone: boolean } {
  const raw = { topic: topics.raw.name, partition }
  const old = world.broker.offsetAt({ ...raw, timeMs: world.clock.nowMs() - retentionMs })
  if (old <= world.broker.bounds(raw).start) return { gone: 0, isDone: true }
  // What was not read by then is lost, which is for an alarm to tell and not for this test.
  const folded = nextOf(world.stateRedis.now().get(partition)) ?? 0n
  return { gone: world.broker.expire(raw, { before: old < folded ? old : folded }), isDone: old <= folded }
}

export function partitionsOf({ plan }: World): number[] {
  return Array.from({ length: plan.partitions }, (_, partition) => partition)
}

/** The raw offset that comes after a view; null where there is none, or it is being made. */
function nextOf(view: PartitionView | undefined): bigint | null {
  const watermark = parseWatermark(view?.watermark ?? '')
  return watermark === null ? null : watermark.offset + 1n
}

function away(concerns: (call: Call) => boolean): Strike {
  return (world, step, pick) => {
    if (step.half !== 'request' || step.sure || !concerns(step)) return 'waits'
    const endsMs = world.clock.nowMs() + of(pick, [secondMs, 10 * secondMs, 3 * minuteMs])
    world.outages.push({ concerns, endsMs })
    step.fail('is away')
    return 'taken'
  }
}

function failing(step: Step, half: Step['half'], problem: string): Blow {
  if (step.half !== half || step.sure) return 'waits'
  step.fail(problem)
  return 'taken'
}
