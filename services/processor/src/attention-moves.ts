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
  const moves: AttentionMove[] = []
  for (const kind of attentionKinds) {
    if (before !== null && before[kind] === after[kind]) continue
    moves.push({ kind, registration, sinceMs: after[kind] ?? null })
  }
  return moves
}
