import { z } from 'zod'
import { ids, pageSize, text } from './read-request.ts'

/** The longest cursor that a store id of 32 characters can make. */
const longestCursor = 400

/** The parameters of `GET /v1/registrations`. */
export const registrationsQuery = z.strictObject({
  clientId: ids.clientId,
  referenceMerchantId: ids.referenceMerchantId,
  referenceStoreId: ids.referenceStoreId.optional(),
  limit: pageSize({ standard: 20, most: 100 }),
  cursor: text(longestCursor).optional(),
})

export type RegistrationsQuery = z.output<typeof registrationsQuery>
