import { headerText } from '@signalbox/contracts/header-texts'
import { type RegistrationChange, registrationChange } from '@signalbox/contracts/registration-change'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { z } from 'zod'

/** A change as read from the log, with its `ce_time`; or why a record is not one. */
export type ReadChange =
  | { kind: 'change'; change: RegistrationChange; causedAt: string }
  | { kind: 'unreadable'; problem: string }

const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue('not JSON')
    return z.NEVER
  }
})

const changeRecord = z.compile(z.object({ value: json.pipe(registrationChange), causedAt: z.iso.datetime() }))

/** Reads a record of the changes topic. Total: any record gives an answer. */
export function readChange(record: Pick<ConsumedRecord, 'value' | 'headers'>): ReadChange {
  const parsed = changeRecord.safeParse({
    value: record.value?.toString('utf8'),
    causedAt: headerText(record.headers, 'ce_time'),
  })
  if (parsed.success) return { kind: 'change', change: parsed.data.value, causedAt: parsed.data.causedAt }
  const [issue] = parsed.error.issues
  return { kind: 'unreadable', problem: `${z.core.toDotPath(issue?.path ?? [])}: ${issue?.message}` }
}
