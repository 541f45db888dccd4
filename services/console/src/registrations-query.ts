import { z } from 'zod'

/** The longest ids of either dialect, and the longest cursor that a store id of 32 characters can make. */
const longest = { clientId: 64, referenceMerchantId: 64, referenceStoreId: 32, cursor: 400 }
const standardLimit = 20
const mostPerPage = 100

const text = (most: number) =>
  z
    .string({
      error: ({ input }) => (input === undefined ? 'is missing: give it' : 'stands twice: give it once'),
    })
    .min(1, 'is empty: leave it out or give a value')
    .refine((value) => Array.from(value).length <= most, `is too long: it has at most ${most} characters`)
    .refine((value) => value.isWellFormed() && !value.includes('\0'), 'holds a character that no id has')

const pageSize = `must be a whole number from 1 to ${mostPerPage}`

/** The parameters of `GET /v1/registrations`. */
const parameters = z.strictObject({
  clientId: text(longest.clientId),
  referenceMerchantId: text(longest.referenceMerchantId),
  referenceStoreId: text(longest.referenceStoreId).optional(),
  limit: z
    .string(pageSize)
    .regex(/^[0-9]{1,4}$/, pageSize)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= mostPerPage, pageSize)
    .default(standardLimit),
  cursor: text(longest.cursor).optional(),
})

export type RegistrationsQuery = z.output<typeof parameters>

const names = Object.keys(parameters.shape).join(', ')

/** Reads a query string, or says of the first parameter that does not fit what to do about it. */
export function readRegistrationsQuery(
  query: unknown,
): { kind: 'query'; query: RegistrationsQuery } | { kind: 'refused'; problem: string } {
  const parsed = parameters.safeParse(query)
  if (parsed.success) return { kind: 'query', query: parsed.data }
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') {
    return { kind: 'refused', problem: `There is a parameter that is not known here. Known are: ${names}.` }
  }
  return { kind: 'refused', problem: `The parameter ${String(issue?.path[0])} ${issue?.message}.` }
}
