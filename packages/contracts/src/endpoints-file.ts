import { z } from 'zod'

/** The file that ENDPOINTS_FILE names: which merchant endpoints are told about changes. */
export const endpointsFile = z.strictObject({
  endpoints: z.array(
    z.strictObject({
      id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'an id has 1 to 64 letters, digits, - or _'),
      clientId: z.string().min(1),
      /** A referenceMerchantId, or `*` for every merchant of the client. */
      merchant: z.string().min(1),
      url: z.url({ protocol: /^https?$/ }),
      /** A file holding the Standard Webhooks secret, `whsec_…`. Relative to the endpoints file's folder. */
      secretFile: z.string().min(1),
    }),
  ),
})

export type EndpointsFile = z.infer<typeof endpointsFile>
