import {
  type Codec,
  letters,
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
import { hashLetters } from './fnv1a64.ts'
import { isFormat1, unpackRegistersOfFormat1, unpackRegistrationOfFormat1 } from './packed-format-1.ts'
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
import type { CollectiveStatus, EntryId, EntryStatus, FinalStatus } from './statement.ts'
import { wellKnownTexts } from './well-known-texts.ts'

// Stored for long: another order of members or choices is another format.
const format = '2'

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

const contents = list(letters(hashLetters))
const registration: Codec<Registration> = {
  pack(value, into) {
    number.pack(value.version, into)
    view.pack(value.view, into)
    registers.pack(value.registers, into)
    contents.pack(value.contents, into)
  },
  unpack: (from) => ({
    version: number.unpack(from),
    view: view.unpack(from),
    registers: registers.unpack(from),
    contents: contents.unpack(from),
  }),
}

/** A registration as compact text, for the view in Redis. */
export function packRegistration(value: Registration): string {
  return packText(registration, { format, value })
}

/** null: not a text of `packRegistration`, of this format or an earlier one, or damaged. */
export function unpackRegistration(packed: string): Registration | null {
  return isFormat1(packed)
    ? unpackRegistrationOfFormat1(packed)
    : unpackText(registration, { format, packed })
}

/** The registers alone, for the opaque member of state records. Equal registers give equal texts. */
export function packRegisters(value: Registers): string {
  return packText(registers, { format, value })
}

/** null: not a text of `packRegisters`, of this format or an earlier one, or damaged. */
export function unpackRegisters(packed: string): Registers | null {
  return isFormat1(packed) ? unpackRegistersOfFormat1(packed) : unpackText(registers, { format, packed })
}
