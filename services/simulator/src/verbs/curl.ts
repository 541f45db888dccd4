import { z } from 'zod'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { createVerb } from '@signalbox/runtime/command-line'
import { createSample } from '../samples.ts'
import { readSenderClients } from '../sandbox.ts'
import { signNotification, type SignedNotification } from '../sender/sign-notification.ts'
import { folderOption, originOption } from './sandbox-options.ts'

export const curlVerb = createVerb({
  name: 'curl',
  about: 'Prints a signed notification as a curl command to paste into a shell.',
  options: z.object({
    folder: folderOption,
    url: originOption.meta({ value: 'URL', description: 'address of the ingress, without a path' }),
    sample: z.enum(['alipayplus', 'ams']).default('alipayplus').meta({
      value: 'DIALECT',
      description: 'sample of which API page: alipayplus or ams',
    }),
    store: z.string().min(1).max(32).optional().meta({
      value: 'ID',
      description: "store to put in place of the sample's, which makes another registration",
    }),
  }),
  async run({ folder, url, sample: dialect, store }) {
    const client = readSenderClients(folder).find((candidate) => candidate.dialect === dialect)
    if (client === undefined) throw new StartProblem(`The sandbox ${folder} has no ${dialect} client.`)
    const { send } = createSample(client, Date.now())
    const text = send.body.toString('utf8')
    const body = Buffer.from(
      store === undefined ? text : text.replace(JSON.stringify(send.store), () => JSON.stringify(store)),
    )
    process.stdout.write(`${curlCommand(url, await signNotification(client, { ...send, body }))}\n`)
    return 0
  },
})

/** The command with every part quoted for a POSIX shell. */
export function curlCommand(origin: string, notification: SignedNotification): string {
  return [
    `curl -sS -i ${quoted(new URL(notification.path, origin).href)}`,
    ...notification.headers.map(([name, value]) => `  -H ${quoted(`${name}: ${value}`)}`),
    `  --data-binary ${quoted(notification.body.toString('utf8'))}`,
  ].join(' \\\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
