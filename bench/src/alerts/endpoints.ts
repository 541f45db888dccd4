import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EndpointsFile } from '@signalbox/contracts/endpoints-file'
import { clientId } from './changes.ts'

/** Whom the changes of a run are about; each merchant has one endpoint, which is named like it. */
export type Merchants = {
  /** Of the series. */
  steady: readonly string[]
  /** Of the skew load: those that are fine, and the one that never answers. */
  healthy: readonly string[]
  hanging: string
}

const healthyCount = 99

export function createMerchants({ endpoints }: { endpoints: number }): Merchants {
  return { steady: named('m', endpoints), healthy: named('h', healthyCount), hanging: 'hanging' }
}

function named(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
}

/** The series of the sink that each of our endpoints belongs to. */
export const sinkSeries = { steady: 'ours', healthy: 'healthy', hanging: 'hanging' } as const

/** Writes the endpoints of all merchants, their secret and the key of its sealing as files of the folder. */
export async function writeEndpoints(
  folder: string,
  { merchants, sinkUrl, secret }: { merchants: Merchants; sinkUrl: string; secret: Buffer },
): Promise<{ ENDPOINTS_FILE: string; ENDPOINT_KEYS_FILE: string }> {
  await mkdir(folder)
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const secretFile = await write('endpoint.secret', `whsec_${secret.toString('base64')}\n`)
  const keyFile = await write('sealing.key', `${secret.toString('base64')}\n`)
  const endpointOf = (merchant: string, series: string) => {
    return { id: merchant, clientId, merchant, url: `${sinkUrl}/${series}/${merchant}`, secretFile }
  }
  const endpoints: EndpointsFile = {
    endpoints: [
      ...merchants.steady.map((merchant) => endpointOf(merchant, sinkSeries.steady)),
      ...merchants.healthy.map((merchant) => endpointOf(merchant, sinkSeries.healthy)),
      endpointOf(merchants.hanging, sinkSeries.hanging),
    ],
  }
  return {
    ENDPOINTS_FILE: await write('endpoints.json', JSON.stringify(endpoints)),
    ENDPOINT_KEYS_FILE: await write(
      'endpoint-keys.json',
      JSON.stringify({ keys: [{ keyId: 'bench', state: 'active', keyFile }] }),
    ),
  }
}
