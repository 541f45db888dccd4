import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import type { AlertEvent, RegistrationChanged } from './alert.ts'

export const secretOf = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`
export const secret = secretOf(1)
export const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

const registration = { clientId: 'client', referenceMerchantId: 'M 1', referenceStoreId: null }

export function approved(pspName: string): AlertEvent {
  return {
    type: 'entry.approved',
    pspName,
    productCode: 'CASHIER_PAYMENT',
    status: 'APPROVED',
    previousStatus: 'PENDING',
    rejectionReason: null,
  }
}

/** An alert about version `version`, which approves these. */
export function changed(version: number, pspNames: readonly string[] = ['TNG']): RegistrationChanged {
  const events = pspNames.map(approved)
  const data = { registration, version, collective: 'PENDING', events }
  return { type: 'registration.changed', timestamp: '2026-01-02T03:04:05.678Z', data }
}

export function flagged(version: number) {
  const data = { registration, version, collective: null, flags: ['reversal'] }
  return { type: 'registration.flagged', timestamp: '2026-01-02T03:04:05.678Z', data } as const
}

export function endpointChanged(revision: number) {
  const endpoint = { endpointId: 'shop-1', clientId: 'client', merchant: '*' }
  const data = { endpoint, revision, reason: 'failing', detail: null }
  return { type: 'endpoint.disabled', timestamp: '2026-01-02T03:04:05.678Z', data } as const
}

/** The id that Signalbox gives an alert of this subject, spelt out as its contract does. */
export function webhookId(subject: string, version: number, endpointId: string): string {
  const digest = createHash('sha256').update(`${subject}|${version}|${endpointId}`).digest('base64url')
  return `a-${digest.slice(0, 22)}`
}

export type SignedRequest = { headers: Record<string, string>; body: string }

/** A request signed by the published library standardwebhooks. */
export function signed(
  content: unknown,
  {
    id = 'a-1',
    secrets = [secret],
    atMs = nowMs,
    replay = false,
  }: { id?: string; secrets?: readonly string[]; atMs?: number; replay?: boolean } = {},
): SignedRequest {
  const body = typeof content === 'string' ? content : JSON.stringify(content)
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(atMs / 1000)),
      'webhook-signature': secrets.map((text) => new Webhook(text).sign(id, new Date(atMs), body)).join(' '),
      ...(replay ? { 'webhook-replay': 'true' } : {}),
    },
    body,
  }
}

/** The same request with the `v1a` signature of this key, beside or instead of the ones it has. */
export function signedAsymmetric(
  { headers, body }: SignedRequest,
  privateKey: KeyObject,
  { beside = false }: { beside?: boolean } = {},
): SignedRequest {
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const signature = `v1a,${sign(null, Buffer.from(text), privateKey).toString('base64')}`
  const all = beside ? `${headers['webhook-signature']} ${signature}` : signature
  return { headers: { ...headers, 'webhook-signature': all }, body }
}

/** A key and its entry of the published set. */
export function createSigningKey() {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: { ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' } }
}
