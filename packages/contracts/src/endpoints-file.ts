import { z } from 'zod'
import { endpointFilters, endpointId, endpointLimits } from './endpoint-record.ts'

const whose = {
  id: endpointId,
  clientId: z.string().min(1).max(256),
  /** A referenceMerchantId, or `*` for every merchant of the client. */
  merchant: z.string().min(1).max(256),
}

const settings = {
  /** `operator`: hears of flags and of other endpoints' troubles, too. Not given: `merchant`. */
  audience: z.enum(['merchant', 'operator']).optional(),
  /** Which events; what is not given, or null, lets all through. */
  filters: z.strictObject(endpointFilters.shape).partial().optional(),
  /** Not given, or null: the deployment's default. */
  limits: z.strictObject(endpointLimits.shape).partial().optional(),
  skipsSuperseded: z.boolean().optional(),
  keepsResponses: z.boolean().optional(),
  /** Only changes from then on are told, RFC 3339; not given: all. Counts when the endpoint is new. */
  activeFrom: z.iso.datetime({ offset: true }).optional(),
}

/** The file that ENDPOINTS_FILE names: which endpoints are told about changes. */
export const endpointsFile = z.strictObject({
  endpoints: z.array(
    z.strictObject({
      ...whose,
      url: z.url({ protocol: /^https?$/ }).max(2_048),
      /** A file holding the Standard Webhooks secret, `whsec_…`. Relative to the endpoints file's folder. */
      secretFile: z.string().min(1),
      /** Sent with each call. */
      headers: z.record(z.string(), z.string().max(2_048)).optional(),
      ...settings,
    }),
  ),
  /** Those that are told by e-mail. */
  emails: z.array(z.strictObject({ ...whose, address: z.email().max(254), ...settings })).optional(),
})

export type EndpointsFile = z.infer<typeof endpointsFile>
