import { type SignedParts, verifySignature } from '@signalbox/alipay/signature'
import { merchantKey, unattributedKey } from '@signalbox/contracts/keys'
import { readRouting } from '@signalbox/contracts/notification-body'
import type { AdmittedHead } from './check-head.ts'
import type { VersionedKey } from '@signalbox/key-ring/client-directory'

export type CheckedBody =
  | { kind: 'forged' }
  /** Signed by `keyVersion`, and `recordKey` says where its records meet. */
  | { kind: 'routable'; keyVersion: string; recordKey: string }
  /** Signed, but nothing can be done with it; kept for a person to look at. */
  | { kind: 'unusable'; keyVersion: string; recordKey: string; reason: 'not_json_object' | 'unroutable' }

/** Checks the signature over the raw bytes first: nothing of an unsigned body is looked at. */
export function checkBody(head: AdmittedHead, body: Buffer): CheckedBody {
  const { client, uri } = head.addressee
  const { clientId } = client
  const signer = signerOf({ uri, clientId, time: head.requestTime, body }, head.signature, head.keys)
  if (signer === undefined) return { kind: 'forged' }
  const keyVersion = signer.version
  const routing = readRouting(body)
  if (routing.kind === 'routable') {
    const { referenceMerchantId } = routing
    return { kind: 'routable', keyVersion, recordKey: merchantKey({ clientId, referenceMerchantId }) }
  }
  const registrationRequestId = routing.kind === 'unattributed' ? routing.registrationRequestId : ''
  const recordKey = unattributedKey({ clientId, registrationRequestId })
  return routing.kind === 'unattributed'
    ? { kind: 'routable', keyVersion, recordKey }
    : { kind: 'unusable', keyVersion, recordKey, reason: routing.kind }
}

function signerOf(
  parts: SignedParts,
  signature: Buffer,
  keys: readonly VersionedKey[],
): VersionedKey | undefined {
  return keys.find(({ key }) => verifySignature(parts, signature, key))
}
