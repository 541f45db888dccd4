import { flagsOf } from './flags.ts'
import type { Registers, Registration, Round, Sightings } from './registration.ts'
import { latestRound, sightingsIn, startOf } from './rounds.ts'

/** What somebody should look at, and since when, in epoch milliseconds. */
export type Attention = Partial<Record<'doubtful' | 'pending' | 'unanswered' | 'erased', number>>

/**
 * `doubtful`: a flag warns. `pending`: the collective status says so. `unanswered`: the latest round was opened by
 * command, no notification ever came in it, and no inquiry that asked for it was told a status. `erased`: and nothing
 * was heard since.
 */
export function attentionOf({ view, registers }: Registration): Attention {
  const attention: Attention = {}
  const isDoubtful = view.flags.length > 0 && flagsOf(registers).some(({ severity }) => severity === 'warn')
  const isPending = view.collectiveStatus === 'PENDING'
  if (isDoubtful || isPending) {
    const lastSignedMs = lastSignedIn(registers)
    if (isDoubtful) attention.doubtful = lastSignedMs
    if (isPending) attention.pending = lastSignedMs
  }
  const latest = latestRound(registers)
  if (latest !== null && latest.firstSeenMs === null && !isAnswered(latest, registers)) {
    attention.unanswered = startOf(latest)
  }
  if (view.erasedAtMs !== null) attention.erased = view.erasedAtMs
  return attention
}

function isAnswered({ id }: Round, { inquiry }: Registers): boolean {
  return inquiry.collective?.askedRound === id || inquiry.entries.some(({ askedRound }) => askedRound === id)
}

/**
 * The greatest signed time in the latest round, without any round in *none*. Where nothing was signed: when the round
 * was opened, or when the sender was asked.
 */
function lastSignedIn(registers: Registers): number {
  const round = latestRound(registers)
  const sightings = sightingsIn(registers, round?.id ?? null)
  const signedMs = sightings === null ? [] : timesIn(sightings)
  if (round !== null) signedMs.push(round.firstSeenMs ?? startOf(round))
  if (signedMs.length === 0) return registers.inquiry.inquiredAtMs ?? 0
  return signedMs.reduce((latest, time) => Math.max(latest, time))
}

function timesIn({ collective, entries, selfContradictionMs, unusualValueMs }: Sightings): number[] {
  const seen = [...collective, ...entries.flatMap(({ finals }) => finals)]
  const doubts = [selfContradictionMs, unusualValueMs].filter((time) => time !== null)
  return [...seen.map(({ lastSeenMs }) => lastSeenMs), ...doubts]
}
