import { z } from 'zod'

const keyVersion = z.string().regex(/^[0-9]{1,10}$/, 'a key version is digits')
/** `retiring` still verifies but never signs; `retired` does neither. */
const keyState = z.enum(['active', 'retiring', 'retired'])

/** The file that CLIENTS_FILE names: who may send, under which paths, and with which keys. */
export const clientsFile = z.strictObject({
  clients: z
    .array(
      z.strictObject({
        clientId: z.string().min(1),
        dialect: z.enum(['alipayplus', 'ams']),
        /** Merchant-presented push mode, where a store id is required. */
        push: z.boolean().default(false),
        /** Public paths as the sender signs them, without query. */
        paths: z.array(z.string().regex(/^\/[^?#\s]+$/, 'a path starts with / and has no query')).min(1),
        /** Try every active key when the version named is unknown. */
        anyKeyVersion: z.boolean().default(false),
        /** Base64 SubjectPublicKeyInfo on one line, or PEM. */
        alipayKeys: z.array(z.strictObject({ version: keyVersion, state: keyState, publicKey: z.string() })),
        /** The greatest active version signs. Relative files are seen from the clients file's folder. */
        ownKeys: z.array(
          z.strictObject({ version: keyVersion, state: keyState, privateKeyFile: z.string().min(1) }),
        ),
      }),
    )
    .min(1),
})

export type ClientsFile = z.infer<typeof clientsFile>
