/** What an answer's signature depends on; the code stands for the body, which is a constant. */
export type AnswerText = { clientId: string; uri: string; responseTime: string; code: string }

/**
 * Remembers signatures of answers. Signing costs as much as a dozen verifications, while within one second most
 * answers are the same text; whoever asks for a text that is being signed waits for that one signature.
 */
export function createSignatureCache({ maxEntries }: { maxEntries: number }) {
  const entries = new Map<string, Promise<string>>()

  /** The signature of this text: the known one, or what `sign` makes. @throws what `sign` throws */
  return function signatureOf(text: AnswerText, sign: () => Promise<string>): Promise<string> {
    const key = [text.clientId, text.responseTime, text.code, text.uri].join('\n')
    const known = entries.get(key)
    if (known !== undefined) return known
    const signing = sign()
    entries.set(key, signing)
    signing.catch(() => entries.delete(key))
    // The oldest entry belongs to the oldest second, which is of no use any more.
    const [oldest] = entries.keys()
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    return signing
  }
}
