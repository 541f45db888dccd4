import type { LogRecord } from '@signalbox/kafka/producer'
import type { Random } from './random.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** One life of a process, from its start to its end. */
export type Process = {
  name: string
  state: 'running' | 'stalled' | 'dead'
  /** How wrong its own clock goes. */
  skewMs: number
}

/** What a process asks of a part outside. */
export type Call = {
  system: 'kafka' | 'state redis' | 'queue redis' | 'endpoint'
  what: string
  /** It never fails. */
  sure?: boolean
  /** It changes something there. */
  writes?: boolean
  /** What it appends to Kafka. */
  records?: readonly LogRecord[]
}

/** Asks, and resolves when the answer has come. `effect` is what the other side does, in one piece. */
export type Ask = <T>(call: Call, effect: () => T) => Promise<T>

/** Answers at once: for the tests of the ports themselves. */
export const askAtOnce: Ask = async (_, effect) => effect()

/** Half of a call: that the request takes effect, or that the answer arrives. Between two steps nothing happens. */
export type Step = Call & {
  process: Process
  half: 'request' | 'answer'
  /** Rises with each call. */
  place: number
  go(): void
  /** The process hears of trouble instead. */
  fail(problem: string): void
}

/** May take a step over, and then gives true. */
export type Meddler = (step: Step) => boolean

/** Taken before anybody can put another one in its place. */
const { setImmediate: realSetImmediate } = globalThis

/** Everything that is under way, and the choice of what goes on next. */
export function createScheduler({ random, clock }: { random: Random; clock: VirtualClock }) {
  const waiting: Step[] = []
  let calls = 0
  let steps = 0
  let at: Process | null = null

  function askOf(process: Process): Ask {
    return (call, effect) =>
      new Promise((resolve, reject) => {
        const fail = (problem: string) => reject(new Error(`${call.what}: ${problem}`))
        const step = { ...call, process, place: (calls += 1), fail }
        const answer = (go: () => void) => waiting.push({ ...step, half: 'answer', go })
        waiting.push({
          ...step,
          half: 'request',
          go() {
            try {
              const result = effect()
              answer(() => resolve(result))
            } catch (error) {
              answer(() => reject(error))
            }
          },
        })
      })
  }

  /** The view is asked over one connection, so requests of a process take effect in the order in which they are made. */
  function isInTurn(step: Step): boolean {
    const isBefore = (other: Step) =>
      other.process === step.process &&
      other.system === step.system &&
      other.half === 'request' &&
      other.place < step.place
    return step.system !== 'state redis' || step.half === 'answer' || !waiting.some(isBefore)
  }

  return {
    askOf,
    /** Puts a step back, for instance of a process that stands still. */
    putBack: (step: Step) => void waiting.push(step),
    /** What a process that ended was about to do. */
    takeOf(process: Process): Step[] {
      const its = waiting.filter((step) => step.process === process)
      for (const step of its) waiting.splice(waiting.indexOf(step), 1)
      return its
    },
    steps: () => steps,
    /** The process whose code runs now. */
    current: () => at,

    /** Goes one step on, or moves the clock on when nothing can go on; false when nothing is left to happen. */
    async step(meddle: Meddler): Promise<boolean> {
      const able = waiting.filter((each) => each.process.state === 'running' && isInTurn(each))
      const step = able[random.below(able.length)]
      if (step === undefined) {
        const moved = clock.skipToNext()
        await microtasksDone()
        return moved
      }
      steps += 1
      waiting.splice(waiting.indexOf(step), 1)
      clock.advance(random.below(20))
      clock.fireDue()
      at = step.process
      // What fell due may have ended or stopped the process.
      if (step.process.state === 'stalled') waiting.push(step)
      else if (step.process.state === 'running' && !meddle(step)) step.go()
      await microtasksDone()
      at = null
      return true
    },
  }
}

function microtasksDone(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve))
}
