import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { foldVersion } from '@signalbox/registration/fold'
import { addContents, packPublished, unpackRegistration } from '@signalbox/registration/packed'
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
  const published = packedWithHead(of)
  const { contents } = of.registration
  return {
    kept: withChecksum(published),
    stored: withChecksum(addContents(published, contents)),
  }
}

export function packStored(of: StoredRegistration): string {
  return withChecksum(addContents(packedWithHead(of), of.registration.contents))
}

function packedWithHead({ registration, rev, cause }: StoredRegistration): string {
  return `${packHead({ foldVersion, rev, cause })}\n${packPublished(registration)}`
}

/**
 * Reads it back, `kept` too.
 *
 * @throws AssertionError when the text is damaged, or written by a later build, whose versions this one would contradict
 */
export function unpackStored(text: string): StoredRegistration {
  const inspected = inspectStored(text)
  assert(inspected !== null, damaged)
  assert(
    inspected.foldVersion <= foldVersion,
    `The view holds a registration of fold version ${inspected.foldVersion}, and this build knows ${foldVersion}: run the later build.`,
  )
  const end = text.indexOf('\n')
  const head = unpackHead(text.slice(checksumLetters, end))
  const registration = unpackRegistration(text.slice(end + 1))
  assert(head !== null && registration !== null, damaged)
  return { registration, rev: head.rev, cause: head.cause }
}

/** Which build wrote a stored text; null: it is damaged, or none. Costs a tenth of reading it. */
export function inspectStored(text: string): { foldVersion: number } | null {
  const rest = text.slice(checksumLetters)
  return text.slice(0, checksumLetters) === checksumOf(rest) ? { foldVersion: writtenBy(rest) } : null
}

/** The same at a glance, without looking for damage. */
export function claimsFoldVersion(text: Buffer): number {
  return writtenBy(text.toString('latin1', checksumLetters, checksumLetters + 1))
}

const checksumLetters = 7

function withChecksum(text: string): string {
  return checksumOf(text) + text
}

function checksumOf(text: string): string {
  return crc32(text).toString(36).padStart(checksumLetters, '0')
}

const damaged = 'The view in Redis holds a registration that cannot be read: it is damaged.'
