import { generateKeyPairSync } from 'node:crypto'
import type { Client, ClientDirectory } from '@signalbox/key-ring/client-directory'

export const rsaPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 })

export const alipay = rsaPair()
export const own = rsaPair()
export const client: Client = {
  clientId: 'T_111222333',
  dialect: 'alipayplus',
  push: false,
  paths: new Set(['/notify/registration', '/notify/second']),
  anyKeyVersion: false,
  verifyingKeys: [{ version: '1', isActive: true, key: alipay.publicKey, signatureBytes: 256 }],
  signingKey: { version: '7', key: own.privateKey },
  inquiryUrl: null,
}

/** Knows the client above, and one more that has a path of its own. */
export const directory: ClientDirectory = directoryOf(client, {
  ...client,
  clientId: 'T_2',
  paths: new Set(['/other']),
})

export function directoryOf(...clients: Client[]): ClientDirectory {
  return {
    find: (clientId) => clients.find((known) => known.clientId === clientId),
    hasPath: (path) => clients.some(({ paths }) => paths.has(path)),
    clientCount: clients.length,
    clientIds: clients.map(({ clientId }) => clientId),
  }
}
