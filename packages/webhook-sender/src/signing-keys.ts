import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { readJsonFile, readSecretFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import type { SigningKey } from './webhook-headers.ts'

/** A public key as JSON Web Key, and the same key as Standard Webhooks writes it. */
export type PublishedKey = {
  kid: string
  kty: 'OKP'
  crv: 'Ed25519'
  alg: 'EdDSA'
  use: 'sig'
  /** The 32 bytes, base64url. */
  x: string
  /** `whpk_` and the 32 bytes, base64. */
  whpk: string
}

export type SigningKeys = {
  /** The first active key of the file; null when there is none, then nothing carries a `v1a` signature. */
  signing: SigningKey | null
  /** What receivers verify `v1a` with, as `/.well-known/signalbox-webhook-keys` answers it. */
  publicKeySet: { keys: PublishedKey[] }
}

const signingKeysFile = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        keyId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'a key id has 1 to 64 letters, digits, _ or -'),
        /** The first active key signs; active and retiring ones are published, retired ones are not. */
        state: z.enum(['active', 'retiring', 'retired']),
        privateKeyFile: z.string().min(1),
      }),
    )
    .max(20),
})

type Entry = z.infer<typeof signingKeysFile>['keys'][number]

const variable = 'WEBHOOK_SIGNING_KEYS_FILE'

/**
 * Reads the keys of `v1a` signatures; without a file there are none. Key files are relative to its folder, and
 * those of retired keys are not read.
 *
 * @throws StartProblem naming the file, the key, its trouble and the remedy
 */
export function readSigningKeys(file: string | undefined): SigningKeys {
  if (file === undefined) return { signing: null, publicKeySet: { keys: [] } }
  const { keys } = readJsonFile(file, variable, signingKeysFile)
  const twice = keys.find(({ keyId }, index) => keys.findIndex((key) => key.keyId === keyId) < index)
  if (twice !== undefined) throw problem(file, twice, 'stands twice', 'Give one of them another id.')
  const read = keys
    .filter(({ state }) => state !== 'retired')
    .map((entry) => ({ ...entry, privateKey: readPrivateKey(file, entry) }))
  const active = read.find(({ state }) => state === 'active')
  return {
    signing: active === undefined ? null : { keyId: active.keyId, privateKey: active.privateKey },
    publicKeySet: { keys: read.map(publishedKey) },
  }
}

function readPrivateKey(file: string, entry: Entry): KeyObject {
  const path = resolve(dirname(file), entry.privateKeyFile)
  const pem = readSecretFile(path, `${variable} key ${entry.keyId}`)
  const key = privateKeyIn(pem)
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw problem(
    file,
    entry,
    `has no ed25519 private key in ${path}`,
    `Make one: openssl genpkey -algorithm ed25519 -out ${path}`,
  )
}

function privateKeyIn(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    // Its own words may quote the key.
    return null
  }
}

function publishedKey({ keyId, privateKey }: SigningKey): PublishedKey {
  const { x } = z.object({ x: z.string() }).parse(createPublicKey(privateKey).export({ format: 'jwk' }))
  return {
    kid: keyId,
    kty: 'OKP',
    crv: 'Ed25519',
    alg: 'EdDSA',
    use: 'sig',
    x,
    whpk: `whpk_${Buffer.from(x, 'base64url').toString('base64')}`,
  }
}

function problem(file: string, entry: Entry, trouble: string, remedy: string): StartProblem {
  return new StartProblem(`${variable} ${file}: key ${entry.keyId} ${trouble}. ${remedy}`)
}
