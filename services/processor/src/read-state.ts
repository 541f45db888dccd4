import assert from 'node:assert/strict'
import { parseRegistrationKey } from '@signalbox/contracts/keys'
import { forgottenRev, readKept, stateStanding } from '@signalbox/contracts/registration-state'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { type Attention, attentionOf } from '@signalbox/registration/attention'
import { foldVersion } from '@signalbox/registration/fold'
import type { WrittenRegistration } from '@signalbox/registration-store/registration-store'
import {
  claimsFoldVersion,
  inspectStored,
  readStored,
} from '@signalbox/registration-store/stored-registration'
import { readAttention } from './output-records.ts'

/** Where a record of the state topic stands among those of its registration. */
export type StateRecord =
  | { kind: 'state'; key: string; rev: bigint }
  | { kind: 'forgotten'; key: string; rev: bigint }
  | UnreadableState

/** A record that is not ours, or damaged. */
export type UnreadableState = {
  kind: 'unreadable'
  key: string | null
  offset: bigint
  /** Of the state that is lost with it; 0: that of any state, null: it holds none. */
  rev: bigint | null
}

/** What a record of kind `state` says, for the view: all but the hashes of contents. */
export type KeptState = { written: WrittenRegistration; attention: Attention }

/**
 * Reads where a record stands out of its headers; whether the rest of it can be read, `readKeptState` says.
 *
 * @throws as `readKeptState`
 */
export function readStanding(record: ConsumedRecord): StateRecord {
  const { key, value, headers, offset } = record
  if (key === null) return { kind: 'unreadable', key, offset, rev: null }
  if (value === null) {
    const rev = forgottenRev(headers)
    return rev === null
      ? { kind: 'unreadable', key, offset, rev }
      : { kind: 'forgotten', key, rev: BigInt(rev) }
  }
  const standing = stateStanding(headers)
  const texts = readKept(headers)
  const rev = BigInt(standing?.rev ?? 0)
  if (standing === null || texts === null) return { kind: 'unreadable', key, offset, rev }
  // Also of a record that is not the newest, and will not be read.
  if (claimsFoldVersion(texts.kept) > foldVersion) readKeptState(record)
  return { kind: 'state', key, rev }
}

/**
 * Reads what a record of kind `state` says; null: it is not ours, or damaged. What this fold has written is passed on as
 * it is, which is most of the speed of a rebuild.
 *
 * @throws AssertionError when a later build has written it, whose versions this one would contradict
 */
export function readKeptState({ key, headers }: ConsumedRecord): KeptState | null {
  const registration = parseRegistrationKey(key ?? '')
  const texts = readKept(headers)
  if (registration === null || texts === null) return null
  const packed = texts.kept.toString('utf8')
  const inspected = inspectStored(packed)
  if (inspected === null) return null
  assert(
    inspected.foldVersion <= foldVersion,
    `The state topic holds a registration of fold version ${inspected.foldVersion}, and this build knows ${foldVersion}: run the later build.`,
  )
  const attention = readAttention(texts.attention)
  if (inspected.foldVersion === foldVersion && inspected.hasKnownFormat && attention !== null) {
    return { written: { registration, packed }, attention }
  }
  const stored = readStored(packed)
  return stored && { written: { registration, stored }, attention: attentionOf(stored.registration) }
}
