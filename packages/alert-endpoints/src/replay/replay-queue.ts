import { lastPriority, openJobQueue } from '../job-queue.ts'
import type { ReplayJob } from './replay.ts'

export type ReplayQueue = AsyncDisposable & { add(jobs: readonly ReplayJob[]): Promise<void> }

/** Opens the queue of the alerts for replays, behind all that is new; its workers take these jobs too. */
export function openReplayQueue(options: Parameters<typeof openJobQueue>[0]): ReplayQueue {
  const queue = openJobQueue(options)
  return {
    add: (jobs) => queue.add(jobs.map((job) => ({ ...job, priority: lastPriority }))),
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  }
}
