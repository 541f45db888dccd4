import { generateKeyPair } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { createVerb } from '@signalbox/runtime/command-line'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { fingerprint, oneLinePublicKey } from './fingerprint.ts'

export const keysGenerateVerb = createVerb({
  name: 'keys generate',
  about: 'Makes an RSA key pair of ours, and prints what Alipay and the clients file need of it.',
  options: z.object({
    folder: z.string().min(1).meta({ value: 'FOLDER', description: 'where the private key goes' }),
    version: z
      .string()
      .regex(/^[0-9]{1,10}$/, 'a key version is digits')
      .meta({ value: 'N', description: 'version of the key, greater than that of any earlier one' }),
    client: z
      .string()
      .regex(/^[\w.-]+$/, 'letters, digits, and . _ - only, because it becomes a part of the file name')
      .optional()
      .meta({ value: 'ID', description: 'client that the key is for; it becomes a part of the file name' }),
    bits: z.enum(['2048', '3072', '4096']).default('2048').meta({
      value: 'BITS',
      description: 'length of the key: 2048, 3072 or 4096; Alipay documents 2048',
    }),
  }),
  async run({ folder, version, client, bits }) {
    const path = join(folder, `${client === undefined ? '' : `${client}-`}own-${version}.pem`)
    const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: Number(bits) })
    writePrivateKey(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const entry = { version, state: 'active', privateKeyFile: resolve(path) }
    process.stdout.write(
      [
        `The private key is in ${path} (RSA ${bits}, PKCS#8, mode 0600). It is shown nowhere and leaves this machine never.`,
        '',
        `Public key for the developer center of Alipay (${fingerprint(publicKey)}):`,
        oneLinePublicKey(publicKey),
        '',
        'Entry for `ownKeys` of the clients file; a relative privateKeyFile is seen from the folder of that file:',
        JSON.stringify(entry),
        '',
        'The greatest active version signs as soon as it is in the file: upload the public key first, then add the entry.',
        '',
      ].join('\n'),
    )
    return 0
  },
})

function writePrivateKey(path: string, pem: string | Buffer): void {
  try {
    mkdirSync(resolve(path, '..'), { recursive: true, mode: 0o700 })
    // `wx` leaves a file that is there as it is: a lost private key cannot be made again.
    writeFileSync(path, pem, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    throw new StartProblem(
      code === 'EEXIST'
        ? `${path} is there already and is not overwritten. Take another --version or --folder, or move that file away.`
        : `${path} cannot be written (${String(code ?? cause)}). Check the folder and its rights.`,
    )
  }
}
