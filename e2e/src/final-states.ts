import { registrationKey } from '@signalbox/contracts/keys'
import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import { z } from 'zod'
import type { Pipeline } from './pipeline.ts'

const answer = z.object({
  registrations: z.array(
    z.object({
      registrationResult: z.object({ registrationStatus: z.string().nullable() }),
      pspRegistrationResultList: z.array(
        z.object({
          pspName: z.string(),
          productCodes: z.array(z.string()).optional(),
          registrationResult: z.object({
            registrationStatus: z.string(),
            rejectionReason: z.string().nullish(),
          }),
        }),
      ),
      signalbox: z.object({
        clientId: z.string(),
        referenceMerchantId: z.string(),
        referenceStoreId: z.string().nullable(),
        version: z.number().int().positive(),
      }),
    }),
  ),
  next: z.string().nullable(),
})

/** Asks the query API for the registrations of one merchant, page by page; the key is `client/merchant/store`. */
export async function queryMerchant(
  pipeline: Pick<Pipeline, 'consoleUrl' | 'consoleToken'>,
  merchant: { clientId: string; referenceMerchantId: string },
): Promise<Map<string, { version: number; content: string }>> {
  const shown = new Map<string, { version: number; content: string }>()
  let cursor: string | null = null
  do {
    const query = new URLSearchParams({
      clientId: merchant.clientId,
      referenceMerchantId: merchant.referenceMerchantId,
      ...(cursor === null ? {} : { cursor }),
    })
    const response = await fetch(`${pipeline.consoleUrl}/v1/registrations?${query.toString()}`, {
      headers: { authorization: `Bearer ${pipeline.consoleToken}` },
    })
    if (response.status === 404) return shown
    if (!response.ok) throw new Error(`the console answered ${response.status}: ${await response.text()}`)
    const page = answer.parse(await response.json())
    for (const { signalbox, registrationResult, pspRegistrationResultList } of page.registrations) {
      shown.set(registrationKey(signalbox), {
        version: signalbox.version,
        content: contentOf({
          collectiveStatus: registrationResult.registrationStatus,
          entries: pspRegistrationResultList.flatMap((item) =>
            (item.productCodes ?? ['*']).map((productCode) => ({
              pspName: item.pspName,
              productCode,
              status: item.registrationResult.registrationStatus,
              rejectionReason: item.registrationResult.rejectionReason ?? null,
            })),
          ),
        }),
      })
    }
    cursor = page.next
  } while (cursor !== null)
  return shown
}

type Content = {
  collectiveStatus: string | null
  entries: readonly { pspName: string; productCode: string; status: string; rejectionReason: string | null }[]
}

/** One text per visible content, whatever the order of its entries. */
export function contentOf({ collectiveStatus, entries }: Content): string {
  const lines = entries.map((entry) =>
    JSON.stringify([entry.pspName, entry.productCode, entry.status, entry.rejectionReason]),
  )
  return JSON.stringify([collectiveStatus, lines.toSorted()])
}

/** Compares what the query API shows with the truth; one line for each registration that differs. */
export async function wrongStates(
  pipeline: Pick<Pipeline, 'consoleUrl' | 'consoleToken'>,
  truth: readonly RegistrationTruth[],
): Promise<string[]> {
  const wrong: string[] = []
  const merchants = Map.groupBy(truth, ({ registration }) =>
    JSON.stringify([registration.clientId, registration.referenceMerchantId]),
  )
  for (const registrations of merchants.values()) {
    const [first] = registrations
    if (first === undefined) continue
    const shown = await queryMerchant(pipeline, first.registration)
    for (const expected of registrations) {
      const key = registrationKey(expected.registration)
      const actual = shown.get(key)?.content ?? 'nothing'
      if (actual !== contentOf(expected))
        wrong.push(`${key} shows ${actual}, the truth is ${contentOf(expected)}`)
    }
  }
  return wrong
}
