import { z } from 'zod'

/** An id or another text of a request, of so many characters at most. */
export const text = (most: number) =>
  z
    .string({
      error: ({ input }) => {
        if (input === undefined) return 'is missing: give it'
        return Array.isArray(input) ? 'stands twice: give it once' : 'must be a text'
      },
    })
    .min(1, 'is empty: leave it out or give a value')
    .refine((value) => Array.from(value).length <= most, `is too long: it has at most ${most} characters`)
    .refine((value) => value.isWellFormed() && !value.includes('\0'), 'holds a character that no id has')
    .meta({ maxLength: most })

/** As long as the documents allow. */
export const ids = {
  clientId: text(64),
  referenceMerchantId: text(64),
  referenceStoreId: text(32),
  registrationRequestId: text(64),
}

const momentForm = 'must be a time with its offset, such as 2026-06-01T08:00:00Z'

/** A moment of a request, as epoch milliseconds. */
export const moment = () =>
  z.iso.datetime({ offset: true, error: momentForm }).transform((at) => Date.parse(at))

/** How many items a page has. */
export const pageSize = ({ standard, most }: { standard: number; most: number }) => {
  const form = `must be a whole number from 1 to ${most}`
  return z
    .string(form)
    .regex(/^[0-9]{1,4}$/, form)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= most, form)
    .default(standard)
    .meta({ type: 'integer', minimum: 1, maximum: most, description: 'How many items the page has at most.' })
}

/** Reads a query or a body, or says of the first part that does not fit what to do about it, never what it holds. */
export function readRequest<S extends z.ZodObject>(
  schema: S,
  given: unknown,
  part: 'parameter' | 'member',
): { kind: 'read'; value: z.output<S> } | { kind: 'refused'; problem: string } {
  const parsed = schema.safeParse(given)
  if (parsed.success) return { kind: 'read', value: parsed.data }
  const [issue] = parsed.error.issues
  const path = z.core.toDotPath(issue?.path ?? [])
  if (issue?.code === 'unrecognized_keys') {
    const known = path === '' ? `Known are: ${Object.keys(schema.shape).join(', ')}.` : `It is in ${path}.`
    return { kind: 'refused', problem: `There is a ${part} that is not known here. ${known}` }
  }
  if (path === '') return { kind: 'refused', problem: 'Send one JSON object.' }
  return { kind: 'refused', problem: `The ${part} ${path} ${issue?.message}.` }
}
