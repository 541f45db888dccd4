import { generateKeyPair, type KeyObject } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  createSignature,
  formatSignatureHeader,
  parseSignatureHeader,
  verifySignature,
} from '@signalbox/alipay/signature'

/** One signed HTTP message, ready to be posted to the signer's uri. */
export type SignedNotification = { headers: Record<string, string>; body: Buffer }

export type Signer = {
  /** Signs a body as Alipay+ does; `requestTime` is now in UTC unless given. */
  sign(body: Uint8Array | string, options?: { requestTime?: string }): Promise<SignedNotification>
}

/** Signs notifications of one client to one uri (the path as sent, with its query if there is one). */
export function createSigner(sender: {
  clientId: string
  uri: string
  keyVersion: string
  privateKey: KeyObject
}): Signer {
  return {
    async sign(content, { requestTime = new Date().toISOString() } = {}) {
      const body = Buffer.from(content)
      const { clientId, uri, keyVersion, privateKey } = sender
      const signature = await createSignature({ uri, clientId, time: requestTime, body }, privateKey)
      return {
        headers: {
          'client-id': clientId,
          'request-time': requestTime,
          signature: formatSignatureHeader({ keyVersion, signature }),
          'content-type': 'application/json; charset=UTF-8',
        },
        body,
      }
    },
  }
}

/** What an ingress sent back; header names in lower case, as Node and fetch give them. */
export type Answer = {
  headers: Readonly<Record<string, string | string[] | number | undefined>>
  body: Uint8Array
}

/** Whether an answer is signed for this uri under the acquirer's public key. */
export function verifyAnswer(
  { headers, body }: Answer,
  { publicKey, uri }: { publicKey: KeyObject; uri: string },
): boolean {
  const signature = parseSignatureHeader(String(headers['signature'] ?? ''))
  if (signature === null) return false
  const parts = {
    uri,
    clientId: String(headers['client-id'] ?? ''),
    time: String(headers['response-time'] ?? ''),
    body,
  }
  return verifySignature(parts, signature.signature, publicKey)
}

/** A client known to an ingress, with both sides' keys in hand. */
export type TestClient = {
  clientId: string
  /** The one path configured for it. */
  uri: string
  /** For CLIENTS_FILE. */
  clientsFile: string
  keyVersion: string
  /** Alipay's key, which signs notifications. */
  alipayPrivateKey: KeyObject
  alipayPublicKey: KeyObject
  /** The acquirer's key, under which answers verify. */
  ownPublicKey: KeyObject
  signer: Signer
}

/** Writes key pairs of both sides and a clients file with one client into a folder. */
export async function createTestClient(
  folder: string,
  {
    clientId = 'SANDBOX_5X00000000000000',
    dialect = 'alipayplus',
    uri = '/alipayplus/notifyRegistrationStatus',
  }: { clientId?: string; dialect?: 'alipayplus' | 'ams'; uri?: string } = {},
): Promise<TestClient> {
  const [alipay, own] = await Promise.all([rsaKeyPair(), rsaKeyPair()])
  const keyVersion = '1'
  const privateKeyFile = `keys/${clientId}.pem`
  const clientsFile = join(folder, 'clients.json')
  mkdirSync(join(folder, 'keys'), { recursive: true })
  writeFileSync(join(folder, privateKeyFile), own.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  })
  const publicKey = alipay.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const client = {
    clientId,
    dialect,
    paths: [uri],
    alipayKeys: [{ version: keyVersion, state: 'active', publicKey }],
    ownKeys: [{ version: keyVersion, state: 'active', privateKeyFile }],
  }
  writeFileSync(clientsFile, JSON.stringify({ clients: [client] }, null, 2))
  return {
    clientId,
    uri,
    clientsFile,
    keyVersion,
    alipayPrivateKey: alipay.privateKey,
    alipayPublicKey: alipay.publicKey,
    ownPublicKey: own.publicKey,
    signer: createSigner({ clientId, uri, keyVersion, privateKey: alipay.privateKey }),
  }
}

const rsaKeyPair = () => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
