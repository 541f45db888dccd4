import { signedText } from '@signalbox/alipay/signature'
import { merchantKey, unattributedKey } from '@signalbox/contracts/keys'
import { readRouting } from '@signalbox/contracts/notification-body'
import type { AdmittedHead } from './check-head.ts'
import type { Verify } from './open-verifier.ts'
import type { VersionedKey } from '@signalbox/key-ring/client-directory'

export type CheckedBody =
  | { kind: 'forged' }
  /** Signed by `keyVersion`, and `recordKey` says where its records meet. */
  | { kind: 'routable'; keyVersion: string; recordKey: string }
  /** Signed, but nothing can be done with it; kept for a person to look at. */
  | { kind: 'unusable'; keyVersion: string; recordKey: string; reason: 'not_json_object' | 'unroutable' }

/**
 * An id has 64 characters at most; the processor sets longer ones aside. Cut in the key alone, so that a body of
 * nothing but an id does not become a record three times its size.
 */
const longestIdInKey = 256

/** Checks the signature over the raw bytes first: nothing of an unsigned body is looked at. */
export async function checkBody(
  head: AdmittedHead,
  body: Buffer,
  { verify }: { verify: Verify },
): Promise<CheckedBody> {
  const { client, uri } = head.addressee
  const { clientId } = client
  const text = signedText({ uri, clientId, time: head.requestTime, body })
  const signer = await signerOf({ text, head, verify })
  if (signer === undefined) return { kind: 'forged' }
  const keyVersion = signer.version
  const routing = readRouting(body)
  if (routing.kind === 'routable') {
    const referenceMerchantId = routing.referenceMerchantId.slice(0, longestIdInKey)
    return { kind: 'routable', keyVersion, recordKey: merchantKey({ clientId, referenceMerchantId }) }
  }
  const registrationRequestId =
    routing.kind === 'unattributed' ? routing.registrationRequestId.slice(0, longestIdInKey) : ''
  const recordKey = unattributedKey({ clientId, registrationRequestId })
  return routing.kind === 'unattributed'
    ? { kind: 'routable', keyVersion, recordKey }
    : { kind: 'unusable', keyVersion, recordKey, reason: routing.kind }
}

/** The keys are tried one after the other; nearly always the first has signed. */
async function signerOf({
  text,
  head: { keys, signature },
  verify,
}: {
  text: Buffer
  head: AdmittedHead
  verify: Verify
}): Promise<VersionedKey | undefined> {
  for (const candidate of keys) {
    if (await verify({ text, signature, key: candidate.key })) return candidate
  }
  return undefined
}
