import { generateKeyPair, type KeyObject } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

type KeyState = 'active' | 'retiring' | 'retired'
type ClientPlan = {
  clientId: string
  dialect: 'alipayplus' | 'ams'
  push?: boolean
  anyKeyVersion?: boolean
  paths: readonly string[]
  /** Alipay's keys by version. */
  alipayKeys: Readonly<Record<string, KeyState>>
  /** Our keys by version. */
  ownKeys: Readonly<Record<string, KeyState>>
}

/** The path that two clients share. */
const sharedPath = '/notify/registration'

const plans = {
  /** Alipay+, in the middle of a rotation on both sides. */
  plus: {
    clientId: 'T_111222333',
    dialect: 'alipayplus',
    paths: [
      sharedPath,
      '/notify/second',
      '/notify/slash/',
      '/notify/caf%C3%A9',
      '/notify/a;v=1/b',
      '/public/notify',
    ],
    alipayKeys: { 0: 'retiring', 1: 'active', 2: 'active', 3: 'retired' },
    ownKeys: { 1: 'retiring', 2: 'active', 7: 'active', 9: 'retired' },
  },
  ams: {
    clientId: 'SANDBOX_5X00000000000001',
    dialect: 'ams',
    paths: [sharedPath, '/ams/notify', '/public/ams'],
    alipayKeys: { 1: 'active' },
    ownKeys: { 1: 'active' },
  },
  push: {
    clientId: 'TEST_5Y00000000000002',
    dialect: 'alipayplus',
    push: true,
    paths: ['/push/notify'],
    alipayKeys: { 1: 'active' },
    ownKeys: { 1: 'active' },
  },
  /** Takes any version number for any of its active keys. */
  anyVersion: {
    clientId: 'SANDBOX_5X00000000000003',
    dialect: 'ams',
    anyKeyVersion: true,
    paths: ['/any/notify'],
    alipayKeys: { 1: 'active', 2: 'active', 3: 'retiring', 4: 'retired' },
    ownKeys: { 2: 'active' },
  },
  /** Registered, but Alipay's key is not there yet. */
  keyless: {
    clientId: 'SANDBOX_5X00000000000004',
    dialect: 'alipayplus',
    paths: ['/keyless/notify'],
    alipayKeys: {},
    ownKeys: { 1: 'active' },
  },
  /** All of its keys are retired. */
  retired: {
    clientId: 'SANDBOX_5X00000000000005',
    dialect: 'ams',
    paths: ['/retired/notify'],
    alipayKeys: { 1: 'retired' },
    ownKeys: { 1: 'active' },
  },
} as const satisfies Record<string, ClientPlan>

export type ClientName = keyof typeof plans

type Key = { privateKey: KeyObject; publicKey: KeyObject }

/** A client of the clients file, with the keys of both sides in hand. */
export type KnownClient = {
  clientId: string
  dialect: 'alipayplus' | 'ams'
  push: boolean
  anyKeyVersion: boolean
  paths: readonly string[]
  alipayKeys: ReadonlyMap<string, Key & { state: KeyState }>
  /** The version that a sender uses: its newest active one. */
  newestVersion: string
  /** The version that signs our answers: our greatest active one. */
  ownVersion: string
  ownKeys: ReadonlyMap<string, Key & { state: KeyState }>
}

export type Clients = Readonly<Record<ClientName, KnownClient>>

/** Makes keys for all clients, and writes the clients file and our private keys into a folder. */
export async function createClients(folder: string): Promise<{ clients: Clients; clientsFile: string }> {
  await mkdir(join(folder, 'keys'), { recursive: true })
  const [plus, ams, push, anyVersion, keyless, retired] = await Promise.all([
    createClient(plans.plus),
    createClient(plans.ams),
    createClient(plans.push),
    createClient(plans.anyVersion),
    createClient(plans.keyless),
    createClient(plans.retired),
  ])
  const clients = { plus, ams, push, anyVersion, keyless, retired }
  const clientsFile = join(folder, 'clients.json')
  const entries = await Promise.all(Object.values(clients).map((client) => writeClient(folder, client)))
  await writeFile(clientsFile, JSON.stringify({ clients: entries }))
  return { clients, clientsFile }
}

async function createClient(plan: ClientPlan): Promise<KnownClient> {
  return {
    ...plan,
    push: plan.push ?? false,
    anyKeyVersion: plan.anyKeyVersion ?? false,
    alipayKeys: await createKeys(plan.alipayKeys),
    newestVersion: newestActive(plan.alipayKeys) ?? '1',
    ownKeys: await createKeys(plan.ownKeys),
    ownVersion: newestActive(plan.ownKeys) ?? '',
  }
}

/** A pair of the length that the protocol knows. */
export const createRsaKey = (): Promise<Key> => promisify(generateKeyPair)('rsa', { modulusLength: 2048 })

async function createKeys(states: ClientPlan['alipayKeys']): Promise<Map<string, Key & { state: KeyState }>> {
  const keys = Object.entries(states).map(
    async ([version, state]) => [version, { state, ...(await createRsaKey()) }] as const,
  )
  return new Map(await Promise.all(keys))
}

function newestActive(states: ClientPlan['alipayKeys']): string | undefined {
  const active = Object.entries(states).filter(([, state]) => state === 'active')
  return active.map(([version]) => version).toSorted((a, b) => Number(b) - Number(a))[0]
}

async function writeClient(folder: string, client: KnownClient): Promise<object> {
  const ownKeys = []
  for (const [version, { state, privateKey }] of client.ownKeys) {
    const privateKeyFile = `keys/${client.clientId}-${version}.pem`
    await writeFile(join(folder, privateKeyFile), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    })
    ownKeys.push({ version, state, privateKeyFile })
  }
  return {
    clientId: client.clientId,
    dialect: client.dialect,
    push: client.push,
    paths: client.paths,
    anyKeyVersion: client.anyKeyVersion,
    alipayKeys: [...client.alipayKeys].map(([version, { state, publicKey }]) => ({
      version,
      state,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    })),
    ownKeys,
  }
}
