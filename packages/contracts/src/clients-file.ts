import { z } from 'zod'

const keyVersion = z.string().regex(/^[0-9]{1,10}$/, 'a key version is digits')
/** `retiring` still verifies but never signs; `retired` does neither. */
const keyState = z.enum(['active', 'retiring', 'retired'])

const inquiryUrlRule = 'an inquiry URL is https:// and a host, without path; http:// only on this machine'

function isInquiryUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !['', '/'].includes(text.slice(url.origin.length)) || !text.startsWith(url.origin))
    return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && thisMachine.has(url.hostname))
}

const thisMachine = new Set(['127.0.0.1', '[::1]', 'localhost'])

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
        /**
         * Where the console asks for states of this client's registrations, such as
         * https://open-sea.alipayplus.com; not given: it does not ask. The path follows from dialect and client id.
         */
        inquiryUrl: z.string().refine(isInquiryUrl, inquiryUrlRule).optional(),
      }),
    )
    .min(1),
})

export type ClientsFile = z.infer<typeof clientsFile>
