import { z } from 'zod'

/** The environment variables of the Redis that holds the view of registrations, to be spread into a service's schema. */
export const redisEnv = {
  REDIS_URL: z
    .url({ protocol: /^rediss?$/, error: 'it must read redis://host:port or rediss://host:port' })
    .describe('Redis that holds the view of registrations, as redis://host:port, or rediss:// for TLS'),
  REDIS_KEY_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9:._-]*$/, 'it may hold letters, digits and : . _ -')
    .default('sb:')
    .describe('start of every key in that Redis; processor and console must agree on it'),
}
