import { z } from 'zod'
import type { MemberTree } from './json-text.ts'
import { readBody, reportedMembers, reportedResults, type UnreadableBody } from './notification-body.ts'

const id = z.string().min(1)

/** The body of a request `inquiryRegistrationStatus`: any of the ids, at least one. */
export const inquiryRequest = z
  .object({
    referenceMerchantId: id.nullish(),
    referenceStoreId: id.nullish(),
    registrationRequestId: id.nullish(),
  })
  .refine((ids) => Object.values(ids).some((given) => typeof given === 'string'), 'names no id')

export type InquiryRequest = z.infer<typeof inquiryRequest>

/**
 * The body of an answer, by JSON type alone, as {@link readNotificationBody} has it. `result` is about the call. The
 * rest is shaped as in a notification; the answer names neither registration nor round, which stand in the headers of
 * its record. AMS leaves out `productCodes`, sends PENDING without a list, and COMPLETED with entries whose status is
 * null. Unknown members are dropped.
 */
const inquiryAnswer = z.object({
  result: z.object({ resultCode: z.string(), resultStatus: z.enum(['S', 'F', 'U']) }),
  ...reportedResults,
})

export type InquiryBody = Omit<z.infer<typeof inquiryAnswer>, 'result'>

/** Of an answer that tells no status: U asks to come again, F does not. */
export type FailedInquiry = { kind: 'failed'; resultStatus: 'F' | 'U'; resultCode: string }

const used = {}

const membersWeUse: MemberTree = {
  members: { result: { members: { resultCode: used, resultStatus: used } }, ...reportedMembers },
}

/**
 * Reads the body of an answer to an inquiry. Total: any bytes give an answer. Only `body`, an answer with status S,
 * says something about a registration; the console appends no other, so in the raw topic `failed` is as wrong as
 * `unreadable`.
 */
export function readInquiryBody(
  bytes: Uint8Array,
): { kind: 'body'; body: InquiryBody } | FailedInquiry | UnreadableBody {
  const read = readBody(bytes, inquiryAnswer, membersWeUse)
  if (read.kind === 'unreadable') return read
  const { result, ...body } = read.body
  const { resultStatus, resultCode } = result
  return resultStatus === 'S' ? { kind: 'body', body } : { kind: 'failed', resultStatus, resultCode }
}
