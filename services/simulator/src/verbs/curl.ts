import { z } from 'zod'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { createVerb } from '@signalbox/runtime/command-line'
import { curlCommand } from '@signalbox/runtime/curl-command'
import { createSample } from '../samples.ts'
import { readSenderClients } from '../sandbox.ts'
import { signNotification } from '../sender/sign-notification.ts'
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
    const { path, headers } = await signNotification(client, { ...send, body })
    const command = curlCommand({
      url: new URL(path, url).href,
      headers,
      body: { text: body.toString('utf8') },
    })
    process.stdout.write(`${command}\n`)
    return 0
  },
})
