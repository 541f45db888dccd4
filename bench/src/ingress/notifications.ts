import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { type PreparedRequests, prepareRequests } from '@signalbox/testkit/prepared-requests'
import { createSigner, createTestClient, type TestClient } from '@signalbox/testkit/signed-notification'
import { notificationBody } from '../notification-body.ts'
import { createDearKeyPair } from './dear-key.ts'

/** A client of the ingress, with its files in the folder. `verifyCost` times as dear to verify as usual. */
export async function createBenchClient(
  folder: string,
  { verifyCost }: { verifyCost: number },
): Promise<TestClient> {
  const client = await createTestClient(folder)
  if (verifyCost === 1) return client
  const { privateKey, publicKey } = await createDearKeyPair({ verifyCost })
  const text = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const file = clientsFile.parse(JSON.parse(await readFile(client.clientsFile, 'utf8')))
  const clients = file.clients.map((entry) => ({
    ...entry,
    alipayKeys: entry.alipayKeys.map((key) => ({ ...key, publicKey: text })),
  }))
  await writeFile(client.clientsFile, JSON.stringify({ clients }))
  const { clientId, uri, keyVersion } = client
  return {
    ...client,
    alipayPrivateKey: privateKey,
    alipayPublicKey: publicKey,
    signer: createSigner({ clientId, uri, keyVersion, privateKey }),
  }
}

/** Signs so many notifications into a file of the folder. */
export function prepareNotifications(
  client: TestClient,
  { folder, count, onProgress }: { folder: string; count: number; onProgress: (signed: number) => void },
): Promise<PreparedRequests> {
  return prepareRequests({
    file: join(folder, 'notifications'),
    count,
    signer: client.signer,
    uri: client.uri,
    body: (n) => notificationBody(n),
    onProgress,
  })
}
