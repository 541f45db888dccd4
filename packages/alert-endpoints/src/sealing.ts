import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { readJsonFile, readSecretFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'

/** Seals secrets so that Kafka and Redis never hold them in clear. Texts name the key that they were made with. */
export type SealingKeys = {
  seal(plain: Uint8Array, of: { endpointId: string }): string
  /** @throws SealingTrouble when it was altered, belongs to another endpoint, or its key is not in the file */
  unseal(sealed: string, of: { endpointId: string }): Uint8Array
  /** Whether the key that seals now has sealed it; any other one is on its way out. */
  isCurrent(sealed: string): boolean
  /** A code for a text that only the holder of these keys can make, in base64url. */
  mac(text: string): string
  /** Whether one of the keys has made this code for the text. */
  isMac(text: string, mac: string): boolean
}

/** A sealed text that cannot be opened. Its message names the key and never holds the text. */
export class SealingTrouble extends Error {
  override name = 'SealingTrouble'
}

const keysFile = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        keyId: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'a key id has 1 to 64 letters, digits, - or _'),
        /** The one `active` key seals; a `retiring` one still opens. */
        state: z.enum(['active', 'retiring']),
        /** Holds the base64 of 32 random bytes. Relative to this file's folder. */
        keyFile: z.string().min(1),
      }),
    )
    .min(1),
})

type Key = { keyId: string; sealing: Uint8Array; mac: Uint8Array }

const variable = 'ENDPOINT_KEYS_FILE'
const version = 'v1'
const algorithm = 'aes-256-gcm'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/**
 * Reads the file that ENDPOINT_KEYS_FILE names, and the key files that it names.
 *
 * @throws StartProblem naming the file, the key, its trouble and the remedy
 */
export function readSealingKeys(file: string): SealingKeys {
  const { keys: entries } = readJsonFile(file, variable, keysFile)
  const keys = new Map<string, Key>()
  for (const { keyId, keyFile } of entries) {
    if (keys.has(keyId)) {
      throw new StartProblem(
        `${variable} ${file}: key ${keyId} stands twice. Give one of them another id, it is part of what it seals.`,
      )
    }
    const path = resolve(dirname(file), keyFile)
    keys.set(keyId, keyOf(keyId, readKey(path, { keyId, file })))
  }
  const [active, ...others] = entries.filter(({ state }) => state === 'active')
  const sealing = active === undefined ? undefined : keys.get(active.keyId)
  if (sealing === undefined || others.length > 0) {
    throw new StartProblem(
      `${variable} ${file}: ${others.length + (active === undefined ? 0 : 1)} keys are active. ` +
        'Let exactly one be active, which seals; those before it are retiring and only open.',
    )
  }
  return sealingKeys(sealing, keys)
}

function readKey(path: string, { keyId, file }: { keyId: string; file: string }): Uint8Array {
  const text = readSecretFile(path, `${variable} key ${keyId}`).trim()
  const key = Buffer.from(text, 'base64')
  // Decoding skips what is not base64.
  if (key.length === keyBytes && key.toString('base64') === text) return key
  throw new StartProblem(
    `${variable} ${file}: key ${keyId} has no key in ${path}. ` +
      `It must hold the base64 of ${keyBytes} random bytes: openssl rand -base64 ${keyBytes}.`,
  )
}

/** One use, one key: what is known of the codes says nothing of the seals. */
function keyOf(keyId: string, bytes: Uint8Array): Key {
  const derive = (use: string) =>
    new Uint8Array(hkdfSync('sha256', bytes, '', `signalbox endpoint ${use}`, keyBytes))
  return { keyId, sealing: derive('secrets'), mac: derive('links') }
}

function sealingKeys(active: Key, keys: ReadonlyMap<string, Key>): SealingKeys {
  const macBy = (key: Key, text: string) => createHmac('sha256', key.mac).update(text, 'utf8').digest()
  return {
    seal(plain, { endpointId }) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv(algorithm, active.sealing, nonce).setAAD(Buffer.from(endpointId))
      const content = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
      return `${version}.${active.keyId}.${Buffer.concat(content).toString('base64url')}`
    },
    unseal(sealed, { endpointId }) {
      const { keyId, content } = partsOf(sealed)
      const key = keys.get(keyId)
      if (key === undefined) {
        throw new SealingTrouble(
          `A secret of endpoint ${endpointId} is sealed with the key ${keyId}, which ${variable} does not name. Put it back as retiring.`,
        )
      }
      const decipher = createDecipheriv(algorithm, key.sealing, content.subarray(0, nonceBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(Buffer.from(endpointId))
      decipher.setAuthTag(content.subarray(content.length - tagBytes))
      try {
        const plain = decipher.update(content.subarray(nonceBytes, content.length - tagBytes))
        return Buffer.concat([plain, decipher.final()])
      } catch (cause) {
        throw new SealingTrouble(
          `A secret of endpoint ${endpointId} does not open with the key ${keyId}: one of the three was altered.`,
          { cause },
        )
      }
    },
    isCurrent: (sealed) => partsOf(sealed).keyId === active.keyId,
    mac: (text) => macBy(active, text).toString('base64url'),
    isMac(text, mac) {
      const given = Buffer.from(mac, 'base64url')
      return [...keys.values()].some((key) => {
        const made = macBy(key, text)
        return given.length === made.length && timingSafeEqual(given, made)
      })
    },
  }
}

function partsOf(sealed: string): { keyId: string; content: Buffer } {
  const [made, keyId, encoded, ...others] = sealed.split('.')
  const content = Buffer.from(encoded ?? '', 'base64url')
  const isWhole = content.toString('base64url') === encoded && content.length >= nonceBytes + tagBytes
  if (made !== version || keyId === undefined || !isWhole || others.length > 0) {
    throw new SealingTrouble('A sealed secret is not a text that this version of Signalbox has made.')
  }
  return { keyId, content }
}
