import type { SentLine } from '@signalbox/contracts/simulator-files'
import type { Dialect } from '../history/life-history.ts'
import type { PlannedSend } from '../history/sending-plan.ts'
import type { SenderQuirks } from '../history/sender-quirks.ts'
import { writeBody } from '../history/wording.ts'

/** A notification ready to be signed. */
export type Outgoing = Pick<SentLine, 'sendId' | 'kind' | 'clientId' | 'merchant' | 'store' | 'round'> & {
  dialect: Dialect
  body: Buffer
  requestTimeMs: number
  /** Whether a retry is signed anew with the time it would have by the real schedule, or repeats the first. */
  freshTimeOnRetry: boolean
  quirks: SenderQuirks
}

export function outgoingOf({ history, snapshot, ...send }: PlannedSend): Outgoing {
  const { clientId, referenceMerchantId, referenceStoreId } = history.registration
  return {
    ...send,
    clientId,
    dialect: history.dialect,
    merchant: referenceMerchantId,
    store: referenceStoreId,
    round: snapshot.round,
    body: writeBody(history, snapshot),
  }
}
