import {
  type Codec,
  list,
  nullable,
  nullableText,
  number,
  oneOf,
  packText,
  sharedRank,
  text,
  time,
  unpackText,
} from './codec.ts'
import type {
  Answer,
  EntrySightings,
  EntryView,
  Flag,
  Inquiry,
  Registers,
  Registration,
  Round,
  Seen,
  Sightings,
  View,
} from './registration.ts'
import { compareRanks } from './sightings.ts'
import {
  type CollectiveStatus,
  type EntryId,
  type EntryStatus,
  type FinalStatus,
  hashLetters,
} from './statement.ts'
import { wellKnownTexts } from './well-known-texts.ts'

// Stored for long: another order of members or choices is another format.
const format = '3'

const name = text(wellKnownTexts)
const optionalText = nullableText(wellKnownTexts)
const entryStatus = oneOf<EntryStatus>('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED')
const finalStatus = oneOf<FinalStatus>('APPROVED', 'REJECTED', 'CANCELLED')
const collectiveStatus = oneOf<CollectiveStatus>('PENDING', 'COMPLETED')
const flag = oneOf<Flag>(
  'reversal',
  'round_order',
  'inconsistent_collective',
  'self_contradiction',
  'unusual_value',
)

const completed = oneOf<0 | 1>(0, 1)
const optionalTime = nullable(time)
const optionalCollectiveStatus = nullable(collectiveStatus)

const rank = sharedRank(compareRanks, {
  pack(value, into) {
    number.pack(value.finalEntries, into)
    number.pack(value.entries, into)
    completed.pack(value.completed, into)
    time.pack(value.requestTimeMs, into)
  },
  unpack: (from) => ({
    finalEntries: number.unpack(from),
    entries: number.unpack(from),
    completed: completed.unpack(from),
    requestTimeMs: time.unpack(from),
  }),
})

const collective = list<Seen<CollectiveStatus>>({
  pack(seen, into) {
    collectiveStatus.pack(seen.status, into)
    rank.pack(seen.bestRank, into)
    time.pack(seen.lastSeenMs, into)
  },
  unpack: (from) => ({
    status: collectiveStatus.unpack(from),
    bestRank: rank.unpack(from),
    rejectionReason: null,
    lastSeenMs: time.unpack(from),
  }),
})

const finals = list<Seen<FinalStatus>>({
  pack(seen, into) {
    finalStatus.pack(seen.status, into)
    rank.pack(seen.bestRank, into)
    optionalText.pack(seen.rejectionReason, into)
    time.pack(seen.lastSeenMs, into)
  },
  unpack: (from) => ({
    status: finalStatus.unpack(from),
    bestRank: rank.unpack(from),
    rejectionReason: optionalText.unpack(from),
    lastSeenMs: time.unpack(from),
  }),
})

const entries = list<EntrySightings>({
  pack(entry, into) {
    name.pack(entry.pspName, into)
    name.pack(entry.productCode, into)
    optionalText.pack(entry.reportedPspName, into)
    finals.pack(entry.finals, into)
  },
  unpack: (from) => ({
    pspName: name.unpack(from),
    productCode: name.unpack(from),
    reportedPspName: optionalText.unpack(from),
    finals: finals.unpack(from),
  }),
})

const sightings = list<Sightings>({
  pack(said, into) {
    optionalText.pack(said.roundId, into)
    collective.pack(said.collective, into)
    entries.pack(said.entries, into)
    optionalTime.pack(said.selfContradictionMs, into)
    optionalTime.pack(said.unusualValueMs, into)
  },
  unpack: (from) => ({
    roundId: optionalText.unpack(from),
    collective: collective.unpack(from),
    entries: entries.unpack(from),
    selfContradictionMs: optionalTime.unpack(from),
    unusualValueMs: optionalTime.unpack(from),
  }),
})

const productCodes = list(name)
const rounds = list<Round>({
  pack(round, into) {
    name.pack(round.id, into)
    optionalTime.pack(round.firstSeenMs, into)
    optionalTime.pack(round.openedAtMs, into)
    productCodes.pack(round.productCodes, into)
  },
  unpack: (from) => ({
    id: name.unpack(from),
    firstSeenMs: optionalTime.unpack(from),
    openedAtMs: optionalTime.unpack(from),
    productCodes: productCodes.unpack(from),
  }),
})

const collectiveAnswer = nullable<Answer<CollectiveStatus>>({
  pack(answer, into) {
    time.pack(answer.answeredAtMs, into)
    collectiveStatus.pack(answer.status, into)
    optionalText.pack(answer.askedRound, into)
  },
  unpack: (from) => ({
    answeredAtMs: time.unpack(from),
    status: collectiveStatus.unpack(from),
    rejectionReason: null,
    askedRound: optionalText.unpack(from),
  }),
})

const entryAnswers = list<EntryId & Answer<EntryStatus>>({
  pack(answer, into) {
    name.pack(answer.pspName, into)
    name.pack(answer.productCode, into)
    time.pack(answer.answeredAtMs, into)
    entryStatus.pack(answer.status, into)
    optionalText.pack(answer.rejectionReason, into)
    optionalText.pack(answer.askedRound, into)
  },
  unpack: (from) => ({
    pspName: name.unpack(from),
    productCode: name.unpack(from),
    answeredAtMs: time.unpack(from),
    status: entryStatus.unpack(from),
    rejectionReason: optionalText.unpack(from),
    askedRound: optionalText.unpack(from),
  }),
})

const inquiry: Codec<Inquiry> = {
  pack(value, into) {
    optionalTime.pack(value.inquiredAtMs, into)
    collectiveAnswer.pack(value.collective, into)
    entryAnswers.pack(value.entries, into)
  },
  unpack: (from) => ({
    inquiredAtMs: optionalTime.unpack(from),
    collective: collectiveAnswer.unpack(from),
    entries: entryAnswers.unpack(from),
  }),
}

const registers: Codec<Registers> = {
  pack(value, into) {
    rounds.pack(value.rounds, into)
    sightings.pack(value.sightings, into)
    inquiry.pack(value.inquiry, into)
    optionalTime.pack(value.erasedAtMs, into)
  },
  unpack: (from) => ({
    rounds: rounds.unpack(from),
    sightings: sightings.unpack(from),
    inquiry: inquiry.unpack(from),
    erasedAtMs: optionalTime.unpack(from),
  }),
}

const entryViews = list<EntryView>({
  pack(entry, into) {
    name.pack(entry.pspName, into)
    name.pack(entry.productCode, into)
    entryStatus.pack(entry.status, into)
    optionalText.pack(entry.rejectionReason, into)
  },
  unpack: (from) => ({
    pspName: name.unpack(from),
    productCode: name.unpack(from),
    status: entryStatus.unpack(from),
    rejectionReason: optionalText.unpack(from),
  }),
})

const flags = list(flag)
const view: Codec<View> = {
  pack(value, into) {
    optionalCollectiveStatus.pack(value.collectiveStatus, into)
    entryViews.pack(value.entries, into)
    flags.pack(value.flags, into)
    optionalTime.pack(value.erasedAtMs, into)
  },
  unpack: (from) => ({
    collectiveStatus: optionalCollectiveStatus.unpack(from),
    entries: entryViews.unpack(from),
    flags: flags.unpack(from),
    erasedAtMs: optionalTime.unpack(from),
  }),
}

/** The view stands behind the registers and shares their texts. */
const published: Codec<Omit<Registration, 'contents'>> = {
  pack(value, into) {
    registers.pack(value.registers, into)
    number.pack(value.version, into)
    view.pack(value.view, into)
  },
  unpack(from) {
    const known = registers.unpack(from)
    return { version: number.unpack(from), view: view.unpack(from), registers: known }
  },
}

/** A registration as compact text. Not checked for damage: `unpackRegistration` may take that for another one. */
export function packRegistration(value: Registration): string {
  return packPublished(value) + packContents(value)
}

/** The same without the hashes of contents, on which nothing visible depends. */
export function packPublished(value: Registration): string {
  return packText(published, { format, value })
}

/** Behind a text of `packPublished` it makes one of `packRegistration`. */
export function packContents({ contents }: Registration): string {
  return contents.join('')
}

/** Whether what begins there has the form that `packRegistration` gives. */
export function hasKnownFormat(text: string, at: number): boolean {
  return text.startsWith(format, at)
}

/** null: a text of neither `packRegistration` nor `packPublished`. */
export function unpackRegistration(packed: string): Registration | null {
  const unpacked = unpackText(published, { format, packed })
  if (unpacked === null || (packed.length - unpacked.end) % hashLetters !== 0) return null
  const contents: string[] = []
  for (let at = unpacked.end; at < packed.length; at += hashLetters) {
    contents.push(packed.slice(at, at + hashLetters))
  }
  return { ...unpacked.value, contents }
}
