import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { z } from 'zod'

const usualExponentBits = 17
/** Beyond this it comes near to the modulus, which an exponent may not exceed. */
export const dearestVerifyCost = 100

const jwk = z.object({ n: z.string(), p: z.string(), q: z.string() })

/**
 * An RSA key pair of 2048 bits whose signatures cost about `verifyCost` times as much to verify as others: with a long
 * random public exponent instead of 65537. Signing costs what it always does. So a bench can lower what an ingress can
 * do without touching the ingress.
 */
export async function createDearKeyPair({
  verifyCost,
}: {
  verifyCost: number
}): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  const usual = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const { n, p, q } = jwk.parse(usual.privateKey.export({ format: 'jwk' }))
  const [p1, q1] = [toNumber(p) - 1n, toNumber(q) - 1n]
  const totient = p1 * q1
  const { exponent, inverse } = findExponent(Math.round(verifyCost * usualExponentBits), totient)
  const privateKey = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'RSA',
      n,
      p,
      q,
      e: toText(exponent),
      d: toText(inverse),
      dp: toText(inverse % p1),
      dq: toText(inverse % q1),
      qi: toText(inverseOf(toNumber(q), toNumber(p)) ?? 0n),
    },
  })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

/** A random odd number of so many bits that has an inverse. */
function findExponent(bits: number, totient: bigint): { exponent: bigint; inverse: bigint } {
  for (;;) {
    const random = BigInt(`0x${randomBytes(Math.ceil(bits / 8)).toString('hex')}`)
    const exponent = BigInt.asUintN(bits, random) | (1n << BigInt(bits - 1)) | 1n
    const inverse = inverseOf(exponent, totient)
    if (inverse !== null) return { exponent, inverse }
  }
}

/** By Euclid's extended algorithm; null when there is none. */
function inverseOf(value: bigint, modulus: bigint): bigint | null {
  let [remainder, next] = [modulus, value % modulus]
  let [factor, nextFactor] = [0n, 1n]
  while (next !== 0n) {
    const quotient = remainder / next
    ;[remainder, next] = [next, remainder - quotient * next]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return remainder === 1n ? ((factor % modulus) + modulus) % modulus : null
}

function toNumber(text: string): bigint {
  return BigInt(`0x${Buffer.from(text, 'base64url').toString('hex')}`)
}

function toText(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
