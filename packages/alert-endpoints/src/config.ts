import { z } from 'zod'

/** The environment variables of what works with endpoints, to be spread into a service's schema. */
export const endpointsEnv = {
  ENDPOINT_KEYS_FILE: z
    .string()
    .describe('JSON file with the keys under which the secrets of endpoints are sealed (see the README)'),
}
