import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { foldVersion } from '@signalbox/registration/fold'
import {
  hasKnownFormat,
  packContents,
  packPublished,
  unpackRegistration,
} from '@signalbox/registration/packed'
import type { Registration } from '@signalbox/registration/registration'
import { packHead, type StoredHead, unpackHead, writtenBy } from './stored-head.ts'

/** A registration as the view keeps it. */
export type StoredRegistration = { registration: Registration } & Omit<StoredHead, 'foldVersion'>

// A stored text is a checksum, a line with what stands beside the registration, and the registration.

/**
 * A registration packed once, for both that keep it: its state record, `kept`, has all but the hashes of its contents,
 * and the view, `stored`, has these too.
 */
export function packForBoth(of: StoredRegistration): { kept: string; stored: string } {
  const { registration, rev, cause } = of
  const published = `${packHead({ foldVersion, rev, cause })}\n${packPublished(registration)}`
  const contents = packContents(registration)
  const checksum = crc32(published)
  return {
    kept: `${checksumText(checksum)}${published}`,
    stored: `${checksumText(crc32(contents, checksum))}${published}${contents}`,
  }
}

export function packStored(of: StoredRegistration): string {
  return packForBoth(of).stored
}

/** A registration in the view cannot be read. Made anew from the state topic it can. */
export class DamagedView extends Error {
  override name = 'DamagedView'
}

/**
 * Reads it back, `kept` too.
 *
 * @throws DamagedView when it cannot be read; AssertionError as `readStored`
 */
export function unpackStored(text: string): StoredRegistration {
  const stored = readStored(text)
  if (stored !== null) return stored
  throw new DamagedView('The view in Redis holds a registration that cannot be read: it is damaged.')
}

/**
 * Reads it back, `kept` too; null: it is damaged, or of a form that this build does not know (any more).
 *
 * @throws AssertionError when a later build has written it, whose versions this one would contradict
 */
export function readStored(text: string): StoredRegistration | null {
  const inspected = inspectStored(text)
  if (inspected === null) return null
  assert(
    inspected.foldVersion <= foldVersion,
    `The view holds a registration of fold version ${inspected.foldVersion}, and this build knows ${foldVersion}: run the later build.`,
  )
  const end = text.indexOf('\n')
  const head = unpackHead(text.slice(checksumLetters, end))
  const registration = unpackRegistration(text.slice(end + 1))
  return head === null || registration === null ? null : { registration, rev: head.rev, cause: head.cause }
}

/** Which build wrote a stored text, and in which form; null: it is damaged, or none. Costs a tenth of reading it. */
export function inspectStored(text: string): { foldVersion: number; hasKnownFormat: boolean } | null {
  const rest = text.slice(checksumLetters)
  if (text.slice(0, checksumLetters) !== checksumText(crc32(rest))) return null
  return { foldVersion: writtenBy(rest), hasKnownFormat: hasKnownFormat(rest, rest.indexOf('\n') + 1) }
}

/** The same at a glance, without looking for damage. */
export function claimsFoldVersion(text: Buffer): number {
  return writtenBy(text.toString('latin1', checksumLetters, checksumLetters + 1))
}

const checksumLetters = 7

function checksumText(checksum: number): string {
  return checksum.toString(36).padStart(checksumLetters, '0')
}
