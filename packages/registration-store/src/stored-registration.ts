import assert from 'node:assert/strict'
import { foldVersion } from '@signalbox/registration/fold'
import { packRegistration, unpackRegistration } from '@signalbox/registration/packed'
import type { Registration } from '@signalbox/registration/registration'
import { z } from 'zod'

/** A registration as the view keeps it. */
export type StoredRegistration = {
  registration: Registration
  /** Raw offset of the last record that moved a register. */
  rev: string
  /** The notification that made the current version. */
  cause: {
    notificationId: string
    /** Request-Time as it was signed. */
    requestTime: string
    /** Raw offset. */
    offset: string
    /** When the raw record was appended, epoch milliseconds. */
    appendTimeMs: number
  }
}

const head = z.tuple([z.int(), z.string(), z.string(), z.string(), z.string(), z.int()])

/** Two lines: the members beside the registration as a JSON list, and the packed registration. */
export function packStored({ registration, rev, cause }: StoredRegistration): string {
  const beside: z.infer<typeof head> = [
    foldVersion,
    rev,
    cause.notificationId,
    cause.requestTime,
    cause.offset,
    cause.appendTimeMs,
  ]
  return `${JSON.stringify(beside)}\n${packRegistration(registration)}`
}

/**
 * Reads it back.
 *
 * @throws AssertionError when the text is damaged, or written by a later build, whose versions this one would contradict
 */
export function unpackStored(text: string): StoredRegistration {
  // JSON never holds a raw line break, so the first one ends the head.
  const end = text.indexOf('\n')
  const beside = headOf(text.slice(0, end))
  assert(beside !== null, damaged)
  const [writtenBy, rev, notificationId, requestTime, offset, appendTimeMs] = beside
  assert(
    writtenBy <= foldVersion,
    `The view holds a registration of fold version ${writtenBy}, and this build knows ${foldVersion}: run the later build.`,
  )
  const registration = unpackRegistration(text.slice(end + 1))
  assert(registration !== null, damaged)
  return { registration, rev, cause: { notificationId, requestTime, offset, appendTimeMs } }
}

const damaged = 'The view in Redis holds a registration that cannot be read: it is damaged.'

function headOf(json: string): z.infer<typeof head> | null {
  try {
    return head.parse(JSON.parse(json))
  } catch {
    return null
  }
}
