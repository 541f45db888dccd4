import { generateKeyPairSync, sign } from 'node:crypto'

/** A new key and a certificate for some names that is its own issuer, as PEM. `until` is `YYMMDD`. */
export function createCertificate({
  names,
  until = '491231',
}: {
  names: readonly string[]
  until?: string
}): {
  cert: string
  key: string
} {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = sequence(set(sequence(oid([0x55, 0x04, 0x03]), tagged(0x0c, Buffer.from('test')))))
  const ecdsaWithSha256 = sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]))
  const alternativeNames = sequence(...names.map((name) => tagged(0x82, Buffer.from(name))))
  const extensions = sequence(sequence(oid([0x55, 0x1d, 0x11]), tagged(0x04, alternativeNames)))
  const version3 = tagged(0xa0, tagged(0x02, Buffer.of(2)))
  const toBeSigned = sequence(
    version3,
    tagged(0x02, Buffer.of(1)),
    ecdsaWithSha256,
    subject,
    sequence(utcTime('200101000000Z'), utcTime(`${until}235959Z`)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, extensions),
  )
  const signature = tagged(0x03, Buffer.concat([Buffer.of(0), sign('sha256', toBeSigned, privateKey)]))
  const lines = sequence(toBeSigned, ecdsaWithSha256, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

/** DER: a tag, the length, the content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
const sequence = (...parts: readonly Buffer[]) => tagged(0x30, Buffer.concat(parts))
const set = (...parts: readonly Buffer[]) => tagged(0x31, Buffer.concat(parts))
const oid = (bytes: readonly number[]) => tagged(0x06, Buffer.from(bytes))
const utcTime = (text: string) => tagged(0x17, Buffer.from(text))
