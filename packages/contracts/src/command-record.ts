import { z } from 'zod'
import { headerTexts } from './header-texts.ts'

/** Beside a command in the raw topic, which the console appends for somebody with a token. */
export type CommandHeaders = {
  kind: 'command'
  /** UUIDv7 given by the console; names the command in logs, changes and the watermark. */
  notificationId: string
  clientId: string
  /** When it was given, RFC 3339. */
  requestTime: string
  /** Name of the token that gave it. */
  issuedBy: string
  traceparent: string | null
}

const id = (most: number) =>
  z
    .string()
    .min(1)
    .max(2 * most)

const registration = {
  referenceMerchantId: id(64),
  /** Absent: the registration without a store. */
  referenceStoreId: id(32).optional(),
}

/**
 * A command, the JSON body of its record. `registration.opened`: the acquirer has registered this merchant under a
 * request id, so the order of rounds is exact and silence can be noticed. `registration.erased`: content and registers
 * go. `registration.forgotten`: what an erasure left goes too, 31 days later.
 */
export const registrationCommand = z.discriminatedUnion('command', [
  z.object({
    command: z.literal('registration.opened'),
    ...registration,
    registrationRequestId: id(64),
    /** RFC 3339, with offset. */
    openedAt: z.iso.datetime({ offset: true }),
    /** What was asked for; empty: not told. */
    productCodes: z.array(z.string().min(1).max(64)).max(16),
  }),
  z.object({ command: z.literal('registration.erased'), ...registration }),
  z.object({ command: z.literal('registration.forgotten'), ...registration }),
])

export type RegistrationCommand = z.infer<typeof registrationCommand>

const headerText = z.object({
  kind: z.literal('command'),
  'notification-id': z.string().min(1),
  'client-id': z.string().min(1),
  'request-time': z.string(),
  'issued-by': z.string(),
  traceparent: z.string().optional(),
})

/** The record headers of a command. */
export function encodeCommandHeaders(headers: CommandHeaders): Record<string, string> {
  return {
    kind: headers.kind,
    'notification-id': headers.notificationId,
    'client-id': headers.clientId,
    'request-time': headers.requestTime,
    'issued-by': headers.issuedBy,
    ...(headers.traceparent === null ? {} : { traceparent: headers.traceparent }),
  }
}

/** Reads them back; null when the record is not a command of this contract. */
export function parseCommandHeaders(headers: ReadonlyMap<string, Buffer>): CommandHeaders | null {
  const parsed = headerText.safeParse(headerTexts(headers))
  if (!parsed.success) return null
  const { data } = parsed
  return {
    kind: data.kind,
    notificationId: data['notification-id'],
    clientId: data['client-id'],
    requestTime: data['request-time'],
    issuedBy: data['issued-by'],
    traceparent: data.traceparent ?? null,
  }
}
