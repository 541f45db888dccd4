import assert from 'node:assert/strict'
import { foldVersion } from '@signalbox/registration/fold'
import { packRegistration, unpackRegistration } from '@signalbox/registration/packed'
import type { Registration } from '@signalbox/registration/registration'
import { packHead, type StoredHead, unpackHead } from './stored-head.ts'

/** A registration as the view keeps it. */
export type StoredRegistration = { registration: Registration } & Omit<StoredHead, 'foldVersion'>

/** Two lines: what stands beside the registration, and the registration. */
export function packStored({ registration, rev, cause }: StoredRegistration): string {
  return `${packHead({ foldVersion, rev, cause })}\n${packRegistration(registration)}`
}

/**
 * Reads it back.
 *
 * @throws AssertionError when the text is damaged, or written by a later build, whose versions this one would contradict
 */
export function unpackStored(text: string): StoredRegistration {
  const end = text.indexOf('\n')
  const head = unpackHead(text.slice(0, end))
  assert(head !== null, damaged)
  assert(
    head.foldVersion <= foldVersion,
    `The view holds a registration of fold version ${head.foldVersion}, and this build knows ${foldVersion}: run the later build.`,
  )
  const registration = unpackRegistration(text.slice(end + 1))
  assert(registration !== null, damaged)
  return { registration, rev: head.rev, cause: head.cause }
}

const damaged = 'The view in Redis holds a registration that cannot be read: it is damaged.'
