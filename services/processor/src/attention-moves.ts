import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { Attention } from '@signalbox/registration/attention'
import { type AttentionMove, attentionKinds } from '@signalbox/registration-store/registration-store'

/** What has to be written so that the lists of a partition say what they should; `before` null: nobody knows. */
export function attentionMoves({
  registration,
  before,
  after,
}: {
  registration: RegistrationRef
  before: Attention | null
  after: Attention
}): AttentionMove[] {
  return attentionKinds
    .filter((kind) => before === null || before[kind] !== after[kind])
    .map((kind) => ({ kind, registration, sinceMs: after[kind] ?? null }))
}
