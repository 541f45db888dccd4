import { readFileSync } from 'node:fs'
import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import type { Dialect } from './history/life-history.ts'
import { runId } from './history/sending-plan.ts'
import { documentedSender } from './history/sender-quirks.ts'
import { type SenderClient, sampleMerchants } from './sandbox.ts'
import type { Outgoing } from './sender/outgoing.ts'

/** The ids in the documented samples, and what a registration becomes by them. */
const samples = {
  alipayplus: {
    store: '340000',
    round: '2020091811058602000006001420000',
    entries: [
      { pspName: 'ALIPAY_CN', productCode: 'CASHIER_PAYMENT', status: 'APPROVED', rejectionReason: null },
      {
        pspName: 'ALIPAY_CN',
        productCode: 'IN_STORE_PAYMENT',
        status: 'REJECTED',
        rejectionReason: 'rejectionReason message',
      },
    ],
  },
  ams: {
    store: '34****',
    round: '202009181105860200000600142****',
    entries: [{ pspName: 'ALIPAY_CN', productCode: '*', status: 'APPROVED', rejectionReason: null }],
  },
} as const satisfies Record<Dialect, { store: string; round: string; entries: RegistrationTruth['entries'] }>

/** The body of the sample on the API page of this dialect, byte for byte. */
export function sampleBody(dialect: Dialect): Buffer {
  return readFileSync(new URL(`./samples/${dialect}.body`, import.meta.url))
}

/** The documented sample as a notification of this client, and the truth it makes. */
export function createSample(
  { clientId, dialect }: Pick<SenderClient, 'clientId' | 'dialect'>,
  nowMs: number,
): { send: Outgoing; truth: RegistrationTruth } {
  const { store, round, entries } = samples[dialect]
  const merchant = sampleMerchants[dialect]
  return {
    send: {
      sendId: `${runId(nowMs)}-sample-${dialect}`,
      kind: 'first',
      clientId,
      dialect,
      merchant,
      store,
      round,
      body: sampleBody(dialect),
      requestTimeMs: nowMs,
      freshTimeOnRetry: false,
      quirks: { ...documentedSender, requestTimeForm: dialect === 'ams' ? 'epoch' : 'fraction-offset' },
    },
    truth: {
      registration: { clientId, referenceMerchantId: merchant, referenceStoreId: store },
      collectiveStatus: 'COMPLETED',
      entries: [...entries],
    },
  }
}
