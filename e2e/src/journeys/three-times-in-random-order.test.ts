import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parsePrivateKey } from '@signalbox/alipay/keys'
import { createSigner, type Signer } from '@signalbox/testkit/signed-notification'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { imbalances } from '../balance.ts'
import { queryMerchant } from '../final-states.ts'
import { expectedVersions, publishedVersions } from '../oracle-comparison.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'

type Snapshot = { requestTime: string; body: (merchant: string) => string }

const entry = (pspName: string, status: string) => ({
  pspName,
  productCodes: ['IN_STORE_PAYMENT'],
  registrationResult: {
    registrationStatus: status,
    ...(status === 'REJECTED' ? { rejectionReason: 'not enough documents' } : {}),
  },
})

/** Two stores and, in one of them, a re-registration after a rejection; each MPP answers in its own time. */
const history: Snapshot[] = [
  ['S1', 'R1', 0, 'PENDING', { GCASH: 'PENDING' }],
  ['S1', 'R1', 1, 'PENDING', { GCASH: 'APPROVED', DANA: 'PENDING', TNG: 'PENDING' }],
  ['S1', 'R1', 2, 'PENDING', { GCASH: 'APPROVED', DANA: 'REJECTED', TNG: 'PENDING' }],
  ['S1', 'R1', 3, 'COMPLETED', { GCASH: 'APPROVED', DANA: 'REJECTED', TNG: 'APPROVED' }],
  ['S1', 'R2', 60, 'PENDING', { DANA: 'PENDING' }],
  ['S1', 'R2', 61, 'COMPLETED', { DANA: 'APPROVED' }],
  ['S2', 'R3', 5, 'PENDING', { KAKAOPAY: 'PENDING' }],
  ['S2', 'R3', 6, 'COMPLETED', { KAKAOPAY: 'CANCELLED' }],
].map(([store, round, minute, collective, entries]) => ({
  requestTime: new Date(Date.now() - 6 * 3_600_000 + Number(minute) * 60_000).toISOString(),
  body: (merchant) =>
    JSON.stringify({
      referenceMerchantId: merchant,
      referenceStoreId: store,
      registrationRequestId: round,
      registrationResult: { registrationStatus: collective },
      pspRegistrationResultList: Object.entries(entries ?? {}).map(([pspName, status]) =>
        entry(pspName, String(status)),
      ),
    }),
}))

const senderFile = z.object({
  clients: z.array(
    z.object({ clientId: z.string(), path: z.string(), keyVersion: z.string(), privateKeyFile: z.string() }),
  ),
})

async function openSender(pipeline: Pipeline): Promise<{ clientId: string; path: string; signer: Signer }> {
  const file = senderFile.parse(JSON.parse(await readFile(join(pipeline.folder, 'simulator.json'), 'utf8')))
  const [client] = file.clients
  if (client === undefined) throw new Error('the sandbox has a client')
  const parsed = parsePrivateKey(await readFile(join(pipeline.folder, client.privateKeyFile), 'utf8'))
  if (parsed.kind === 'refused') throw new Error(parsed.problem)
  const signer = createSigner({ ...client, uri: client.path, privateKey: parsed.key })
  return { clientId: client.clientId, path: client.path, signer }
}

test('every notification of a history, three times in random order, ends in the same registrations apart from the version', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const { clientId, path, signer } = await openSender(pipeline)
  const send = async (snapshot: Snapshot, merchant: string) => {
    const { headers, body } = await signer.sign(snapshot.body(merchant), {
      requestTime: snapshot.requestTime,
    })
    const response = await fetch(`${pipeline.ingressUrl}${path}`, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
    })
    expect(await response.json()).toMatchObject({ result: { resultStatus: 'S' } })
  }

  for (const snapshot of history) await send(snapshot, 'in-order')
  const thrice = [...history, ...history, ...history]
  const seed = Date.now() % 1_000_000
  const orders = fc.sample(fc.shuffledSubarray(thrice, { minLength: thrice.length }), { numRuns: 5, seed })
  for (const [index, order] of orders.entries()) {
    for (const snapshot of order) await send(snapshot, `shuffled-${index}`)
  }

  const { facts, balance } = await untilQuiet(pipeline, { deadlineMs: 60_000 })
  expect(imbalances({ ...balance, sent: { ...balance.sent, notifications: 1 } }), `seed ${seed}`).toEqual([])
  expect(publishedVersions(facts)).toEqual(expectedVersions(facts))

  const contentsOf = async (referenceMerchantId: string) =>
    [...(await queryMerchant(pipeline, { clientId, referenceMerchantId })).values()].map(
      ({ content }) => content,
    )
  const expected = await contentsOf('in-order')
  expect(expected).toHaveLength(2)
  for (const index of orders.keys()) {
    expect(await contentsOf(`shuffled-${index}`), `seed ${seed}, order ${index}`).toEqual(expected)
  }
})
