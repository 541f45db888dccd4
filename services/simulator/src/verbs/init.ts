import { z } from 'zod'
import { createVerb } from '@signalbox/runtime/command-line'
import { createSandbox } from '../sandbox.ts'
import { folderOption } from './sandbox-options.ts'

const path = z.string().regex(/^\/[^?#\s]+$/, 'a path starts with / and has no query')

export const initVerb = createVerb({
  name: 'init',
  about: 'Writes a sandbox: clients and keys of both sides, merchant endpoints and secrets, a console token.',
  options: z.object({
    folder: folderOption,
    clients: z.coerce.number().int().min(1).max(100).default(2).meta({
      value: 'COUNT',
      description: 'how many clients, in turn Alipay+ and AMS',
    }),
    ingressPath: path.default('/alipayplus/notifyRegistrationStatus').meta({
      value: 'PATH',
      description: 'path that Alipay+ clients call',
    }),
    amsPath: path.default('/ams/notifyRegistrationStatus').meta({
      value: 'PATH',
      description: 'path that AMS clients call',
    }),
    sinkUrl: z
      .url({ protocol: /^https?$/ })
      .default('http://127.0.0.1:8070')
      .meta({
        value: 'URL',
        description: 'address of the sinks, which endpoints.json tells; see also sinks --register',
      }),
  }),
  async run({ folder, clients, ingressPath, amsPath, sinkUrl }) {
    const paths = { alipayplus: ingressPath, ams: amsPath }
    const written = await createSandbox({ folder, clients, paths, sinkUrl })
    process.stdout.write(
      written
        ? `${folder} holds a sandbox now: clients.json, endpoints.json, tokens.json, console-token and the keys.\n`
        : `${folder} holds a sandbox already; it is left as it is. Remove the folder to make another.\n`,
    )
    return 0
  },
})
