import { isUtf8 } from 'node:buffer'
import { resolve } from 'node:path'
import { parsePrivateKey } from '@signalbox/alipay/keys'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import { createVerb } from '@signalbox/runtime/command-line'
import { type CurlBody, curlCommand } from '@signalbox/runtime/curl-command'
import { readNamedFile } from '@signalbox/runtime/files'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { readBytes } from '../read-bytes.ts'

/** Linux takes 128 KiB as one argument of a program. */
const maxInlineBytes = 100_000

export const signVerb = createVerb({
  name: 'sign',
  about: "Signs a notification with a private key that plays Alipay's, and prints it as a curl command.",
  options: z.object({
    privateKey: z.string().min(1).meta({ value: 'FILE', description: "private key that plays Alipay's" }),
    keyVersion: z
      .string()
      .regex(/^[0-9]{1,10}$/, 'a key version is digits')
      .meta({ value: 'N', description: 'version of that key, as the clients file calls its public half' }),
    clientId: z
      .string()
      .regex(/^[!-~]+$/, 'visible ASCII characters only, because it goes into a header')
      .meta({ value: 'ID', description: 'our id, which the notification is addressed to' }),
    url: z
      .url({ protocol: /^https?$/, error: 'it must look like http://127.0.0.1:8080/notify' })
      .meta({ value: 'URL', description: 'address of the ingress with the path; path and query are signed' }),
    body: z.string().min(1).meta({ value: 'FILE', description: 'body to sign; - reads standard input' }),
    requestTime: z
      .string()
      .regex(/^[!-~]+$/, 'visible ASCII characters only, because it goes into a header')
      .optional()
      .meta({ value: 'TEXT', description: 'Request-Time, any text (default: now)' }),
  }),
  async run({ privateKey, keyVersion, clientId, url, body: bodyFile, requestTime }) {
    const parsed = parsePrivateKey(readNamedFile(privateKey, '--private-key'))
    if (parsed.kind === 'refused') {
      throw new StartProblem(
        `--private-key ${privateKey} cannot be used: ${parsed.problem}. 'signalbox keys generate' makes one.`,
      )
    }
    const target = new URL(url)
    // A fragment stays with whoever calls; curl does not send it.
    target.hash = ''
    const uri = `${target.pathname}${target.search}`
    const body = await readBytes(bodyFile, '--body')
    const time = requestTime ?? new Date().toISOString()
    const signature = await createSignature({ uri, clientId, time, body }, parsed.key)
    const headers = [
      // Without it curl says that it sends a form.
      ['Content-Type', 'application/json; charset=UTF-8'],
      ['Client-Id', clientId],
      ['Request-Time', time],
      ['Signature', formatSignatureHeader({ keyVersion, signature })],
    ] as const
    const command = curlCommand({ url: target.href, headers, body: curlBody(bodyFile, body) })
    process.stdout.write(`${command}\n`)
    return 0
  },
})

/** A file is sent from where it is; what came over standard input is only in the command. */
function curlBody(file: string, body: Buffer): CurlBody {
  if (file !== '-') return { file: resolve(file) }
  if (body.length <= maxInlineBytes && isUtf8(body) && !body.includes(0))
    return { text: body.toString('utf8') }
  throw new StartProblem(
    'This body cannot stand in a command: it is too long, or no text. Save it in a file and name that with --body.',
  )
}
