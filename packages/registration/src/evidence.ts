import { mergeLists } from './merging.ts'
import type { Answer, Registers, Round, Seen, Sightings } from './registration.ts'
import { compareRounds, latestRound, sightingsIn, startOf } from './rounds.ts'
import { mergeSeen } from './sightings.ts'
import {
  type CollectiveStatus,
  compareEntries,
  type EntryId,
  type EntryStatus,
  type FinalStatus,
} from './statement.ts'

/** What is known about one status. */
type Evidence<Visible extends EntryStatus | CollectiveStatus, Kept extends FinalStatus | CollectiveStatus> = {
  /** The round that decides; null: there is none. */
  round: Round | null
  /** What was seen in it. */
  inRound: readonly Seen<Kept>[]
  /** What was seen outside rounds. */
  outside: readonly Seen<Kept>[]
  answer: Answer<Visible> | null
}

export type EntryEvidence = EntryId &
  Evidence<EntryStatus, FinalStatus> & {
    /** The latest round that mentions it, *none* being before all; null: only an answer names it. */
    mentionedIn: Sightings | null
  }

/** Of the collective status the latest round decides. */
export function collectiveEvidence(registers: Registers): Evidence<CollectiveStatus, CollectiveStatus> {
  const round = latestRound(registers)
  return {
    round,
    inRound: (round && sightingsIn(registers, round.id)?.collective) ?? [],
    outside: sightingsIn(registers, null)?.collective ?? [],
    answer: registers.inquiry.collective,
  }
}

/** Of each entry the latest round that mentions it decides; a later one that leaves it out does not delete it. */
export function entryEvidence(registers: Registers): readonly EntryEvidence[] {
  let entries: readonly EntryEvidence[] = []
  for (const round of registers.rounds) {
    entries = mergeLists(entries, mentionsIn(round, sightingsIn(registers, round.id)), {
      compare: compareEntries,
      merge: (_, later) => later,
    })
  }
  entries = mergeLists(entries, mentionsIn(null, sightingsIn(registers, null)), {
    compare: compareEntries,
    merge: (inRound, { outside }) => ({ ...inRound, outside }),
  })
  return mergeLists(entries, answersIn(registers), {
    compare: compareEntries,
    merge: (seen, { answer }) => ({ ...seen, answer }),
  })
}

function mentionsIn(round: Round | null, said: Sightings | null): readonly EntryEvidence[] {
  if (said === null) return []
  return said.entries.map(({ pspName, productCode, finals }) => ({
    pspName,
    productCode,
    mentionedIn: said,
    round,
    inRound: round === null ? [] : finals,
    outside: round === null ? finals : [],
    answer: null,
  }))
}

function answersIn({ inquiry }: Registers): readonly EntryEvidence[] {
  return inquiry.entries.map((answer) => ({
    pspName: answer.pspName,
    productCode: answer.productCode,
    mentionedIn: null,
    round: null,
    inRound: [],
    outside: [],
    answer,
  }))
}

/** Of the evidence, what counts: the answer if it is not too old, and the sightings that it did not know of. */
export function whatCounts<
  Visible extends EntryStatus | CollectiveStatus,
  Kept extends FinalStatus | CollectiveStatus,
>(
  evidence: Evidence<Visible, Kept>,
  { rounds }: Registers,
): { answer: Answer<Visible> | null; seen: readonly Seen<Kept>[] } {
  const { round, inRound, outside } = evidence
  const answer = answerThatCounts(evidence, rounds)
  if (answer === null && outside.length === 0) return { answer, seen: inRound }

  // What is said outside rounds stands in no order to them: it counts unless it fell silent before the round began.
  const beside = outside.filter(({ lastSeenMs }) => round === null || lastSeenMs >= startOf(round))
  const isNews = ({ lastSeenMs }: Seen<Kept>) => answer === null || lastSeenMs > answer.answeredAtMs
  return { answer, seen: mergeSeen(inRound.filter(isNews), beside.filter(isNews)) }
}

/** An answer counts when it is about the deciding round or a later one: by what was asked, or else by its time. */
function answerThatCounts<Visible extends EntryStatus | CollectiveStatus>(
  { round, answer }: { round: Round | null; answer: Answer<Visible> | null },
  rounds: readonly Round[],
): Answer<Visible> | null {
  if (round === null || answer === null) return answer
  const asked = rounds.find(({ id }) => id === answer.askedRound)
  const counts =
    asked === undefined ? answer.answeredAtMs >= startOf(round) : compareRounds(asked, round) >= 0
  return counts ? answer : null
}
