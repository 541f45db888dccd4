import { flag } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import type { NetworkPolicy } from './address-guard.ts'

const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

/** The variables that decide where webhooks may go. */
export const networkEnv = {
  SIGNALBOX_ENVIRONMENT: z
    .enum(['production', 'staging', 'test'])
    .default('staging')
    .describe(
      'production, staging or test; production refuses settings that let alerts into private networks',
    ),
  ALERT_ALLOWED_NETWORKS: z
    .string()
    .default('')
    .transform(list)
    .pipe(
      z
        .array(
          z.string().refine(ipaddr.isValidCIDR, 'each must be a network such as 10.1.0.0/16 or fd00::/8'),
        )
        .max(100),
    )
    .describe(
      'networks that endpoints may be in although they are not public, as 10.1.0.0/16 separated by commas',
    ),
  ALERT_ALLOWED_PORTS: z
    .string()
    .default('443,8443')
    .transform((text) => list(text).map(Number))
    .pipe(z.array(z.int().min(1).max(65_535)).min(1).max(100))
    .describe('ports that endpoints may have, separated by commas'),
  ALERT_ALLOW_INSECURE_ENDPOINTS: flag().describe(
    'true allows endpoints with plain HTTP, on any port and in every network, for tests',
  ),
}

type NetworkSettings = z.output<z.ZodObject<typeof networkEnv>>

/** @throws StartProblem when production would let alerts into a private network */
export function networkPolicy(
  given: Pick<
    NetworkSettings,
    'ALERT_ALLOWED_NETWORKS' | 'ALERT_ALLOWED_PORTS' | 'ALERT_ALLOW_INSECURE_ENDPOINTS'
  >,
  { isProduction }: { isProduction: boolean },
): NetworkPolicy {
  if (isProduction && given.ALERT_ALLOW_INSECURE_ENDPOINTS) {
    throw refusedInProduction('ALERT_ALLOW_INSECURE_ENDPOINTS is true')
  }
  if (isProduction && given.ALERT_ALLOWED_NETWORKS.length > 0) {
    throw refusedInProduction('ALERT_ALLOWED_NETWORKS is set')
  }
  if (given.ALERT_ALLOW_INSECURE_ENDPOINTS) {
    return { allowHttp: true, allowedNetworks: ['0.0.0.0/0', '::/0'], ports: null }
  }
  return {
    allowHttp: false,
    allowedNetworks: given.ALERT_ALLOWED_NETWORKS,
    ports: given.ALERT_ALLOWED_PORTS,
  }
}

function refusedInProduction(what: string): StartProblem {
  return new StartProblem(
    `SIGNALBOX_ENVIRONMENT is production and ${what}: alerts could reach services that are not public. ` +
      'Take that setting out, or set SIGNALBOX_ENVIRONMENT to staging or test where that is meant.',
  )
}
