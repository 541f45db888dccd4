import { knownUnlessChanged, laterOf, mergeLists } from './merging.ts'
import type { Answer, Inquiry } from './registration.ts'
import {
  type CollectiveStatus,
  compareEntries,
  type EntryId,
  type EntryStatus,
  type InquiryAnswer,
} from './statement.ts'
import { compareOptionalText, compareText } from './text-order.ts'

/** What one answer alone would make known. It adds no round, and no round mentions its entries. */
export function inquiryOf(said: InquiryAnswer): Inquiry {
  const answer = { answeredAtMs: said.requestTimeMs, askedRound: said.round }
  return {
    inquiredAtMs: said.requestTimeMs,
    collective:
      said.collective === null ? null : { ...answer, status: said.collective, rejectionReason: null },
    entries: said.entries.map(({ pspName, productCode, status, rejectionReason }) => ({
      ...answer,
      pspName,
      productCode,
      status,
      rejectionReason,
    })),
  }
}

export function mergeInquiries(known: Inquiry, said: Inquiry): Inquiry {
  return knownUnlessChanged(known, {
    inquiredAtMs: laterOf(known.inquiredAtMs, said.inquiredAtMs),
    collective: laterCollective(known.collective, said.collective),
    entries: mergeLists(known.entries, said.entries, { compare: compareEntries, merge: laterEntry }),
  })
}

type CollectiveAnswer = Answer<CollectiveStatus>
type EntryAnswer = EntryId & Answer<EntryStatus>

function laterCollective(known: CollectiveAnswer | null, said: CollectiveAnswer | null) {
  if (known === null || said === null) return known ?? said
  return compareAnswers(said, known) > 0 ? said : known
}

function laterEntry(known: EntryAnswer, said: EntryAnswer): EntryAnswer {
  return compareAnswers(said, known) > 0 ? said : known
}

/** By Response-Time; what follows only makes ties the same in any order. */
function compareAnswers(
  left: Answer<EntryStatus | CollectiveStatus>,
  right: Answer<EntryStatus | CollectiveStatus>,
): number {
  return (
    left.answeredAtMs - right.answeredAtMs ||
    compareText(left.status, right.status) ||
    compareOptionalText(left.rejectionReason, right.rejectionReason) ||
    compareOptionalText(left.askedRound, right.askedRound)
  )
}
