import { parsePosition } from '@signalbox/quarantine/quarantined-record'
import { reasons } from '@signalbox/quarantine/reasons'
import { z } from 'zod'

const momentForm = 'not a time with its offset, such as 2026-06-01T08:00:00Z'

const moment = () =>
  z.iso
    .datetime({ offset: true, error: momentForm })
    .transform((text) => Date.parse(text))
    .optional()

/** What to select, as in the API. */
export const selectionOptions = {
  reason: z
    .enum(reasons, `not a reason; they are ${reasons.join(', ')}`)
    .optional()
    .meta({ value: 'REASON', description: 'only those set aside for it, such as unknown_status' }),
  client: z.string().min(1).optional().meta({ value: 'ID', description: 'only those of this Client-Id' }),
  requestId: z
    .string()
    .min(1)
    .optional()
    .meta({ value: 'ID', description: 'only those whose body names this registrationRequestId' }),
  from: moment().meta({ value: 'TIME', description: 'only those set aside then or later' }),
  to: moment().meta({ value: 'TIME', description: 'only those set aside before' }),
}

/** Where a record stands, `<partition>-<offset>`. */
export const positionOption = z.string().transform((text, context) => {
  const position = parsePosition(text)
  if (position !== null) return position
  context.addIssue('not a position such as 3-42')
  return z.NEVER
})

export const positionMeta = {
  positional: true,
  value: 'POSITION',
  description: '<partition>-<offset>, as `quarantine list` shows it',
}
