import { z } from 'zod'

/** What stands beside a registration in the view. */
export type StoredHead = {
  /** Of the build that wrote it. */
  foldVersion: number
  /** Raw offset of the last record that moved a register. */
  rev: string
  /** What made the current version. */
  cause: {
    notificationId: string
    /** Request-Time as it was signed, or when a command was given. */
    requestTime: string
    /** Raw offset. */
    offset: string
    /** When the raw record was appended, epoch milliseconds. */
    appendTimeMs: number
  }
}

// A head would be a third of what a registration takes in Redis. So numbers have base 36, each is told by its distance
// from one that stands there already, a UUID is 22 letters, and a time is told by its form and that distance.

const shape = /^[0-9a-z]([0-9a-z]+)\.(-?[0-9a-z]*)\.(-?[0-9a-z]*)\.(.+)$/s

/** On one line. */
export function packHead({ foldVersion, rev, cause }: StoredHead): string {
  const { notificationId, requestTime, offset, appendTimeMs } = cause
  const behind = rev === offset ? '' : (BigInt(rev) - BigInt(offset)).toString(36)
  const start = `${foldVersion.toString(36)}${BigInt(rev).toString(36)}.${behind}`
  const unpacked = UnpackedCause.packedTextOf(cause)
  if (unpacked !== null) return `${start}.${unpacked}`
  const uuid = packUuid(notificationId)
  const time = packTime(requestTime, appendTimeMs)
  if (uuid === null || time === null) {
    return `${start}.${appendTimeMs.toString(36)}.${JSON.stringify([requestTime, notificationId])}`
  }
  return `${start}.${(appendTimeMs - uuidTimeMs(notificationId)).toString(36)}.${time}.${uuid}`
}

/** Most records do not change the cause of what they are about, and to pack it again takes as long as to unpack it. */
class UnpackedCause {
  readonly notificationId: string
  readonly requestTime: string
  readonly offset: string
  readonly appendTimeMs: number
  readonly #packed: string

  constructor({ notificationId, requestTime, appendTimeMs }: Named, offset: string, packed: string) {
    this.notificationId = notificationId
    this.requestTime = requestTime
    this.offset = offset
    this.appendTimeMs = appendTimeMs
    this.#packed = packed
  }

  static packedTextOf(cause: StoredHead['cause']): string | null {
    return #packed in cause ? cause.#packed : null
  }
}

/** Which build wrote a text that begins with a head. */
export function writtenBy(packed: string): number {
  return Number.parseInt(packed.charAt(0), 36)
}

/** null: not a text of `packHead`. */
export function unpackHead(packed: string): StoredHead | null {
  const [, rev, behind, appended, names] = shape.exec(packed) ?? []
  if (rev === undefined || appended === undefined || names === undefined) return null
  const moved = parseBase36(rev)
  const offset = moved - parseBase36(behind ?? '')
  const named = names.startsWith('[') ? unpackTexts(names, appended) : unpackNames(names, appended)
  if (named === null || offset < 0n) return null
  return {
    foldVersion: writtenBy(packed),
    rev: String(moved),
    cause: new UnpackedCause(named, String(offset), `${appended}.${names}`),
  }
}

type Named = { notificationId: string; requestTime: string; appendTimeMs: number }

function unpackNames(packed: string, appended: string): Named | null {
  const [time = '', uuid = ''] = packed.split('.')
  const notificationId = unpackUuid(uuid)
  if (notificationId === null) return null
  const appendTimeMs = uuidTimeMs(notificationId) + Number.parseInt(appended, 36)
  const requestTime = unpackTime(time, appendTimeMs)
  return requestTime === null ? null : { notificationId, requestTime, appendTimeMs }
}

const textPair = z.tuple([z.string(), z.string()])

function unpackTexts(packed: string, appended: string): Named | null {
  const texts = textPair.safeParse(parse(packed))
  if (!texts.success) return null
  const [requestTime, notificationId] = texts.data
  return { notificationId, requestTime, appendTimeMs: Number.parseInt(appended, 36) }
}

const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function packUuid(text: string): string | null {
  return uuidText.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex').toString('base64url') : null
}

function unpackUuid(packed: string): string | null {
  const hex = Buffer.from(packed, 'base64url').toString('hex')
  if (hex.length !== 32) return null
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A UUIDv7 begins with the milliseconds at which it was made. */
function uuidTimeMs(uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?(?:Z|([+-])(\d\d):(\d\d))$/
/** Of such texts those with a day that every month has, and all else in range: they come back for sure. */
const anyMonthsTime =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d[.\d]*Z$/

/** The forms in which a time is signed: `e` epoch milliseconds; ISO 8601 with (`m`) and without (`s`) milliseconds. */
function packTime(text: string, nearMs: number): string | null {
  const iso = isoTime.exec(text)
  const timeMs = iso === null ? Number(text) : Date.parse(text)
  if (!Number.isSafeInteger(timeMs)) return null
  const distance = (timeMs - nearMs).toString(36)
  const [, fraction, sign, hours = '0', minutes = '0'] = iso ?? []
  const form = iso === null ? 'e' : fraction === undefined ? 's' : 'm'
  const zone = sign === undefined ? '' : `,${sign}${(Number(hours) * 60 + Number(minutes)).toString(36)}`
  const packed = `${form}${distance}${zone}`
  // Whatever does not come back letter by letter is kept as a text; to try costs as much as all else here.
  if (iso !== null && anyMonthsTime.test(text)) return packed
  return unpackTime(packed, nearMs) === text ? packed : null
}

function unpackTime(packed: string, nearMs: number): string | null {
  const [distance = '', zone] = packed.slice(1).split(',')
  const timeMs = nearMs + Number.parseInt(distance, 36)
  const zoneMinutes = zone === undefined ? 0 : Number.parseInt(zone, 36)
  const local = new Date(timeMs + zoneMinutes * 60_000)
  if (Number.isNaN(local.getTime())) return null
  if (packed.startsWith('e')) return String(timeMs)
  const text = local.toISOString()
  return `${text.slice(0, packed.startsWith('m') ? -1 : -5)}${zoneText(zone)}`
}

function zoneText(zone: string | undefined): string {
  if (zone === undefined) return 'Z'
  const minutes = Math.abs(Number.parseInt(zone, 36))
  return `${zone.startsWith('-') ? '-' : '+'}${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

/** The empty text is 0. */
function parseBase36(text: string): bigint {
  // Ten digits are safe integers.
  if (text.length <= 10) return BigInt(Number.parseInt(text || '0', 36))
  const sign = text.startsWith('-') ? -1n : 1n
  let value = 0n
  for (const digit of text.replace('-', '')) value = value * 36n + BigInt(Number.parseInt(digit, 36))
  return sign * value
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}
