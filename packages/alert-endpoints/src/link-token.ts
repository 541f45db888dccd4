import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { SealingKeys } from './sealing.ts'

/** What a link in an e-mail does to its endpoint. */
export type LinkAction = 'verify' | 'unsubscribe'

/** What a link is for. It names the address too: it must do nothing once the endpoint has another one. */
export type Link = { endpointId: string; action: LinkAction; addressDigest: string; expiresAtMs: number }

/** Links outlive a rotation of the keys for as long as the key that made them is retiring. */
export type LinkKeys = Pick<SealingKeys, 'mac' | 'isMac'>

export type ReadLink =
  | { kind: 'good'; link: Link }
  /** It was good once. */
  | { kind: 'expired'; link: Link }
  /** It is none of ours, or was changed on its way. */
  | { kind: 'forged' }

/** Nothing longer is looked at: the longest that we make has about 200 characters. */
const maxTokenLength = 512
/** Keeps these MACs apart from any other use of the keys. */
const purpose = 'signalbox e-mail link v1'

const tokenForm = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/

const payload = z.tuple([z.string(), z.enum(['verify', 'unsubscribe']), z.string(), z.int().nonnegative()])

/** Makes the token of a link: letters, digits, `-`, `_` and one dot. Its expiry counts in whole seconds. */
export function createLinkToken(link: Link, keys: LinkKeys): string {
  const { endpointId, action, addressDigest, expiresAtMs } = link
  const fields: z.infer<typeof payload> = [endpointId, action, addressDigest, Math.floor(expiresAtMs / 1_000)]
  const text = Buffer.from(JSON.stringify(fields)).toString('base64url')
  return `${text}.${keys.mac(`${purpose}:${text}`)}`
}

/** Reads a token that anybody may have written. */
export function readLinkToken(token: string, { keys, nowMs }: { keys: LinkKeys; nowMs: number }): ReadLink {
  if (token.length > maxTokenLength) return { kind: 'forged' }
  const [, text = '', mac = ''] = tokenForm.exec(token) ?? []
  // Decoding is lenient; there is one way to write a code.
  const isCanonical = Buffer.from(mac, 'base64url').toString('base64url') === mac
  if (mac === '' || !isCanonical || !keys.isMac(`${purpose}:${text}`, mac)) return { kind: 'forged' }
  // Only we can have written what follows.
  const [endpointId, action, addressDigest, expiresAtS] = payload.parse(
    JSON.parse(Buffer.from(text, 'base64url').toString()),
  )
  const link = { endpointId, action, addressDigest, expiresAtMs: expiresAtS * 1_000 }
  return nowMs < link.expiresAtMs ? { kind: 'good', link } : { kind: 'expired', link }
}

/** Stands for an address in links, which are seen by more eyes than the address is. */
export function digestOfAddress(address: string): string {
  return createHash('sha256').update(address).digest('base64url').slice(0, 16)
}

/** The address of a link's page, under the public URL of the console. */
export function linkUrl(publicUrl: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}/e/${token}`
}

/** The variable that everything which writes or serves links reads. */
export const linkEnv = {
  CONSOLE_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'it must read https://host or https://host/path' })
    .regex(/^[^?#]*$/, 'it must end with its path')
    .max(200)
    .optional()
    .describe('where the console is reached from outside, for links in e-mails, as https://host'),
}
