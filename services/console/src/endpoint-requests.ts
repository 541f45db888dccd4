import { attemptCursor } from '@signalbox/alert-endpoints/attempt-log'
import { headersProblem } from '@signalbox/alert-endpoints/endpoint'
import { alertEventTypes, endpointTarget } from '@signalbox/contracts/endpoint-record'
import { z } from 'zod'
import { ids, pageSize, text } from './read-request.ts'

function isUrlOfRecords(url: string): boolean {
  return endpointTarget.safeParse({ type: 'webhook', url, headers: {} }).success
}

const yesOrNo = 'must be true or false'
const mostNames = 64

const merchant = ids.referenceMerchantId.describe(
  'A referenceMerchantId, or * for every merchant of the client.',
)

const headers = z
  .record(z.string(), z.string('must be a text').max(2_048), 'must be an object of header names and texts')
  .superRefine((given, context) => {
    const problem = headersProblem(given)
    if (problem !== null) context.addIssue(`cannot be sent: ${problem}`)
  })
  .describe(
    'Sent with every call, beside those that the delivery sets itself. Answers show their names only.',
  )

const url = text(2_048)
  .refine(isUrlOfRecords, 'must be a URL such as https://merchant.example/alerts')
  .describe('A public https address, or one that this deployment allows.')
const address = z
  .email('must be an e-mail address such as alerts@merchant.example')
  .max(254, 'is too long: it has at most 254 characters')

const targetForm = {
  error: ({ code }: { code?: string }) =>
    code === 'invalid_union'
      ? 'must be webhook or email'
      : 'must be an object such as {"type":"webhook","url":"https://merchant.example/alerts"}',
}

const names = (what: string) =>
  z
    .array(text(64), `must be a list of ${what}, or null for all`)
    .min(1, 'is empty and would let nothing through: give null for all')
    .max(mostNames, `is too long: it has at most ${mostNames} items`)
    .nullable()

const filters = z
  .strictObject(
    {
      eventTypes: z
        .array(
          z.enum(alertEventTypes, `must be one of ${alertEventTypes.join(', ')}`),
          'must be a list of event types, or null for all',
        )
        .min(1, 'is empty and would let nothing through: give null for all')
        .max(alertEventTypes.length, 'is too long: give each type once')
        .nullable()
        .exactOptional(),
      pspNames: names('pspNames').exactOptional(),
      productCodes: names('product codes').exactOptional(),
    },
    'must be an object',
  )
  .describe('What is told; a list that is null lets everything through.')

const rate = 'must be a number from 0.1 to 1000, or null for the standard'
const concurrency = 'must be a whole number from 1 to 100, or null for the standard'

const limits = z
  .strictObject(
    {
      ratePerSecond: z.number(rate).min(0.1, rate).max(1_000, rate).nullable().exactOptional(),
      concurrency: z
        .number(concurrency)
        .int(concurrency)
        .min(1, concurrency)
        .max(100, concurrency)
        .nullable()
        .exactOptional(),
    },
    'must be an object',
  )
  .describe('Calls a second and calls at a time, at most; null is the standard of the deployment.')

const skipsSuperseded = z
  .boolean(yesOrNo)
  .describe('True leaves out an alert of which a newer version waits already; else every version is sent.')
const keepsResponses = z
  .boolean(yesOrNo)
  .describe('True keeps the beginning of each answer in the list of attempts.')

/** The body of `POST /v1/endpoints`. */
export const createBody = z.strictObject({
  clientId: ids.clientId,
  merchant,
  audience: z
    .enum(['merchant', 'operator'], 'must be merchant or operator')
    .default('merchant')
    .describe('Operators are also told of flags, and of endpoints that fail.'),
  target: z.discriminatedUnion(
    'type',
    [
      z.strictObject({ type: z.literal('webhook'), url, headers: headers.default({}) }),
      z.strictObject({ type: z.literal('email'), address }),
    ],
    targetForm,
  ),
  filters: filters.default({}),
  limits: limits.default({}),
  skipsSuperseded: skipsSuperseded.default(false),
  keepsResponses: keepsResponses.default(false),
})

/** The body of `PATCH /v1/endpoints/{endpointId}`: what is not given stays, also inside target, filters and limits. */
export const updateBody = z.strictObject({
  target: z
    .discriminatedUnion(
      'type',
      [
        z.strictObject({
          type: z.literal('webhook'),
          url: url.exactOptional(),
          headers: headers.exactOptional(),
        }),
        z.strictObject({ type: z.literal('email'), address }),
      ],
      targetForm,
    )
    .exactOptional(),
  filters: filters.exactOptional(),
  limits: limits.exactOptional(),
  skipsSuperseded: skipsSuperseded.exactOptional(),
  keepsResponses: keepsResponses.exactOptional(),
})

/** The parameters of `GET /v1/endpoints`. */
export const listQuery = z.strictObject({
  clientId: ids.clientId.exactOptional(),
  limit: pageSize({ standard: 50, most: 200 }),
  cursor: text(600).exactOptional(),
})

/** The parameters of `GET /v1/endpoints/{endpointId}/attempts`. */
export const attemptsQuery = z.strictObject({
  alertId: text(64).exactOptional(),
  before: text(64)
    .refine((given) => attemptCursor.safeParse(given).success, 'is none that this list gave')
    .exactOptional()
    .describe('The `next` of the page before.'),
  limit: pageSize({ standard: 50, most: 200 }),
})
