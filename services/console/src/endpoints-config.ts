import { networkEnv, networkPolicy } from '@signalbox/webhook-sender/config'
import type { NetworkPolicy } from '@signalbox/webhook-sender/address-guard'
import { z } from 'zod'

/** The environment variables of endpoints, to be spread into the console's schema. */
export const endpointsEnv = {
  ENDPOINT_KEYS_FILE: z
    .string()
    .optional()
    .describe(
      'JSON file with the keys under which the secrets of endpoints are sealed (see the README); without it the console has no endpoints',
    ),
  QUEUE_REDIS_URL: z
    .url({ protocol: /^rediss?$/, error: 'it must read redis://host:port or rediss://host:port' })
    .optional()
    .describe('Redis that holds the alerts in progress, as redis://host:port, or rediss:// for TLS'),
  WEBHOOK_SIGNING_KEYS_FILE: z
    .string()
    .optional()
    .describe('JSON file with the ed25519 keys of `v1a` signatures; without it alerts carry `v1` alone'),
  ...networkEnv,
}

export type EndpointsConfig = {
  keysFile: string
  queueRedis: { url: string; variable: string }
  network: NetworkPolicy
}

/**
 * @returns null without the keys of endpoints
 * @throws StartProblem when production would let alerts into private networks
 */
export function endpointsConfig(
  given: z.output<z.ZodObject<typeof endpointsEnv>> & { REDIS_URL: string },
): EndpointsConfig | null {
  if (given.ENDPOINT_KEYS_FILE === undefined) return null
  const queueRedis =
    given.QUEUE_REDIS_URL === undefined
      ? { url: given.REDIS_URL, variable: 'REDIS_URL' }
      : { url: given.QUEUE_REDIS_URL, variable: 'QUEUE_REDIS_URL' }
  const isProduction = given.SIGNALBOX_ENVIRONMENT === 'production'
  return { keysFile: given.ENDPOINT_KEYS_FILE, queueRedis, network: networkPolicy(given, { isProduction }) }
}
