import type { SigningKeys } from '@signalbox/webhook-sender/signing-keys'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'

/** The public keys that verify the `v1a` signatures of alerts. */
export const publicKeySetShape = z.strictObject({
  keys: z.array(
    z.strictObject({
      kid: z.string(),
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      alg: z.literal('EdDSA'),
      use: z.literal('sig'),
      x: z.string().describe('The 32 bytes of the key, base64url.'),
      whpk: z.string().describe('The same key as Standard Webhooks writes it: `whpk_` and its base64.'),
    }),
  ),
})

/** Receivers ask again within this time, so a new key is published that long before it signs. */
const cacheSeconds = 300

/** Adds what anybody may know, without a token. */
export function addWellKnownRoutes(
  app: FastifyInstance,
  { publicKeySet }: Pick<SigningKeys, 'publicKeySet'>,
): void {
  app.get('/.well-known/signalbox-webhook-keys', (_, reply) =>
    reply.header('cache-control', `public, max-age=${cacheSeconds}`).send(publicKeySet),
  )
}
