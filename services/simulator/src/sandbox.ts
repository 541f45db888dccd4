import { createHash, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ParsedKey, parsePrivateKey, parsePublicKey } from '@signalbox/alipay/keys'
import type { ApiTokensFile } from '@signalbox/contracts/api-tokens-file'
import { clientsFile } from '@signalbox/contracts/clients-file'
import { type EndpointsFile, endpointsFile } from '@signalbox/contracts/endpoints-file'
import { readJsonFile, readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import type { Dialect } from './history/life-history.ts'

/** Where everything of a sandbox lies: one folder that plays a deployment's secrets and both its neighbours. */
export function sandboxPaths(folder: string) {
  return {
    clients: join(folder, 'clients.json'),
    endpoints: join(folder, 'endpoints.json'),
    endpointKeys: join(folder, 'endpoint-keys.json'),
    tokens: join(folder, 'tokens.json'),
    consoleToken: join(folder, 'console-token'),
    sender: join(folder, 'simulator.json'),
    sent: join(folder, 'sent.jsonl'),
    deliveries: join(folder, 'deliveries.jsonl'),
    truth: join(folder, 'truth.json'),
  }
}

/** Alipay+'s side of one client: its private key, and the acquirer's public keys to check answers with. */
const senderFile = z.strictObject({
  clients: z
    .array(
      z.strictObject({
        clientId: z.string(),
        dialect: z.enum(['alipayplus', 'ams']),
        path: z.string(),
        keyVersion: z.string(),
        privateKeyFile: z.string(),
        acquirerKeys: z.array(z.strictObject({ version: z.string(), publicKey: z.string() })),
      }),
    )
    .min(1),
})

export type SenderClient = {
  clientId: string
  dialect: Dialect
  /** The public path of the acquirer that is called and signed. */
  path: string
  keyVersion: string
  privateKey: KeyObject
  acquirerKeys: ReadonlyMap<string, KeyObject>
}

/** A merchant's endpoint and the Standard Webhooks secret, `whsec_…`, that it shares with Signalbox. */
export type Sink = { endpointId: string; secret: string }

/** The merchants of the documented samples; each has an endpoint of its own. */
export const sampleMerchants = { alipayplus: '2188120000190000', ams: '218812000019****' } as const

const keyVersion = '1'
/** Only the owner may read what is secret. */
const secretMode = 0o600

/**
 * Writes a sandbox: clients of both dialects in turn, beginning with Alipay+, keys for both directions, merchant
 * endpoints with secrets, and an operator's token for the console. An existing sandbox is left as it is.
 *
 * @returns whether it was written
 */
export async function createSandbox(options: {
  folder: string
  clients: number
  paths: Readonly<Record<Dialect, string>>
  /** Where the sinks can be reached, without the endpoint's own part. */
  sinkUrl: string
}): Promise<boolean> {
  const { folder } = options
  const paths = sandboxPaths(folder)
  // It is written last, so a sandbox that was cut off is made anew.
  if (existsSync(paths.sender)) {
    // One of an earlier version has none.
    if (!existsSync(paths.endpointKeys)) writeEndpointKeys(folder)
    return false
  }
  for (const path of [folder, join(folder, 'keys'), join(folder, 'secrets')])
    mkdirSync(path, { recursive: true })

  const clients = await Promise.all(
    Array.from({ length: options.clients }, (_, index) => createClient({ ...options, index })),
  )
  const endpoints = clients.flatMap(({ acquirer: { clientId, dialect } }, index) => [
    createEndpoint({ ...options, id: `merchant-${index + 1}`, clientId, merchant: sampleMerchants[dialect] }),
    createEndpoint({ ...options, id: `wildcard-${index + 1}`, clientId, merchant: '*' }),
  ])
  const token = `sandbox-${randomBytes(24).toString('base64url')}`
  const tokens: ApiTokensFile = {
    tokens: [{ sha256: createHash('sha256').update(token).digest('hex'), role: 'operator', clients: '*' }],
  }
  writeJson(paths.clients, { clients: clients.map(({ acquirer }) => acquirer) })
  writeJson(paths.endpoints, { endpoints })
  writeEndpointKeys(folder)
  writeJson(paths.tokens, tokens)
  writeFileSync(paths.consoleToken, `${token}\n`, { mode: secretMode })
  writeJson(paths.sender, { clients: clients.map(({ alipay }) => alipay) })
  return true
}

/** @throws StartProblem when the folder holds no sandbox */
export function readSenderClients(folder: string): SenderClient[] {
  const path = sandboxPaths(folder).sender
  if (!existsSync(path)) {
    throw new StartProblem(
      `--folder ${folder} holds no sandbox (no simulator.json). Make one with init --folder ${folder}.`,
    )
  }
  return readJsonFile(path, '--folder', senderFile).clients.map((client) => ({
    clientId: client.clientId,
    dialect: client.dialect,
    path: client.path,
    keyVersion: client.keyVersion,
    privateKey: keyOf(
      parsePrivateKey(readNamedFile(join(folder, client.privateKeyFile), `${path} ${client.clientId}`)),
      client.privateKeyFile,
    ),
    acquirerKeys: new Map(
      client.acquirerKeys.map(({ version, publicKey }) => [version, keyOf(parsePublicKey(publicKey), path)]),
    ),
  }))
}

/** @throws StartProblem when the endpoints file or a secret cannot be read */
export function readSinks(folder: string): Sink[] {
  return readEndpoints(folder).endpoints.map(({ id, secretFile }) => ({
    endpointId: id,
    secret: readNamedFile(join(folder, secretFile), `endpoints.json ${id}`).trim(),
  }))
}

/** Writes into the endpoints file that all sinks are to be reached at this address. */
export function registerSinks(folder: string, sinkUrl: string): void {
  const { endpoints } = readEndpoints(folder)
  writeJson(sandboxPaths(folder).endpoints, {
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, url: endpointUrl(sinkUrl, endpoint.id) })),
  })
}

/** Writes into the clients file that states are to be asked for at this address. */
export function registerInquiries(folder: string, inquiryUrl: string): void {
  const { clients } = sandboxPaths(folder)
  const known = readJsonFile(clients, '--folder', clientsFile)
  writeJson(clients, { clients: known.clients.map((client) => ({ ...client, inquiryUrl })) })
}

/** Writes a file so that a reader sees the old content or the new one, never a part. */
export function writeJson(path: string, content: object): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

function readEndpoints(folder: string): EndpointsFile {
  return readJsonFile(sandboxPaths(folder).endpoints, '--folder', endpointsFile)
}

async function createClient(options: {
  folder: string
  index: number
  paths: Readonly<Record<Dialect, string>>
}): Promise<{
  acquirer: z.input<typeof clientsFile>['clients'][number] & { dialect: Dialect }
  alipay: z.output<typeof senderFile>['clients'][number]
}> {
  const dialect = options.index % 2 === 0 ? 'alipayplus' : 'ams'
  const number = String(Math.floor(options.index / 2)).padStart(14, '0')
  const clientId = `SANDBOX_${dialect === 'ams' ? '5Y' : '5X'}${number}`
  const path = options.paths[dialect]
  const [alipayPublicKey, ownPublicKey] = await Promise.all([
    createKeyPair(join(options.folder, 'keys', `${clientId}.alipay.pem`)),
    createKeyPair(join(options.folder, 'keys', `${clientId}.acquirer.pem`)),
  ])
  return {
    acquirer: {
      clientId,
      dialect,
      paths: [path],
      alipayKeys: [{ version: keyVersion, state: 'active', publicKey: alipayPublicKey }],
      ownKeys: [{ version: keyVersion, state: 'active', privateKeyFile: `keys/${clientId}.acquirer.pem` }],
    },
    alipay: {
      clientId,
      dialect,
      path,
      keyVersion,
      privateKeyFile: `keys/${clientId}.alipay.pem`,
      acquirerKeys: [{ version: keyVersion, publicKey: ownPublicKey }],
    },
  }
}

/** Writes the private key as PKCS#8 and gives the public one as Alipay+ shows it: base64 on one line. */
async function createKeyPair(privateKeyPath: string): Promise<string> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  writeFileSync(privateKeyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: secretMode })
  return publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
}

function createEndpoint(options: {
  folder: string
  sinkUrl: string
  id: string
  clientId: string
  merchant: string
}): EndpointsFile['endpoints'][number] {
  const { id, clientId, merchant } = options
  const secretFile = `secrets/${id}.txt`
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  writeFileSync(join(options.folder, secretFile), `${secret}\n`, { mode: secretMode })
  return { id, clientId, merchant, url: endpointUrl(options.sinkUrl, id), secretFile }
}

/** The key under which Signalbox keeps the secrets of endpoints. */
function writeEndpointKeys(folder: string): void {
  const keyFile = 'secrets/endpoint-key-1.txt'
  writeFileSync(join(folder, keyFile), `${randomBytes(32).toString('base64')}\n`, { mode: secretMode })
  writeJson(sandboxPaths(folder).endpointKeys, { keys: [{ keyId: '1', state: 'active', keyFile }] })
}

function endpointUrl(sinkUrl: string, endpointId: string): string {
  return `${sinkUrl.replace(/\/+$/, '')}/${endpointId}`
}

function keyOf(parsed: ParsedKey, file: string): KeyObject {
  if (parsed.kind === 'key') return parsed.key
  throw new StartProblem(`${file} holds a key that cannot be used: ${parsed.problem}.`)
}
