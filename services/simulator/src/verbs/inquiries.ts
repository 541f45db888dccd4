import assert from 'node:assert/strict'
import { createVerb } from '@signalbox/runtime/command-line'
import { createLogger } from '@signalbox/runtime/log'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { z } from 'zod'
import { createInquiryServer, inquiryFaults } from '../inquiries/inquiry-server.ts'
import { createFindTruth } from '../inquiries/known-truths.ts'
import { readSenderClients, registerInquiries, sandboxPaths } from '../sandbox.ts'
import { folderOption } from './sandbox-options.ts'

export const inquiriesVerb = createVerb({
  name: 'inquiries',
  about: 'Plays Alipay+ when it is asked: answers inquiryRegistrationStatus with the truth, signed.',
  more: `POST /faults with {"faults":["unsigned"]} makes the next answers go wrong, one each:\n${inquiryFaults.join(', ')}.`,
  options: z.object({
    folder: folderOption,
    host: z.enum(['127.0.0.1', 'localhost']).default('127.0.0.1').meta({
      value: 'HOST',
      description: 'address to listen on; this machine only, as it speaks no HTTPS',
    }),
    port: z.coerce.number().int().min(0).max(65_535).default(8071).meta({
      value: 'PORT',
      description: 'port to listen on; 0 takes a free one',
    }),
    register: z.boolean().default(false).meta({
      description: 'write the address into clients.json as inquiryUrl of every client',
    }),
  }),
  async run({ folder, host, port, register }) {
    const log = createLogger('inquiries', { level: 'info' })
    const stop = stopSignal({ service: 'inquiries', deadlineMs: 10_000 })
    await using app = createInquiryServer({
      clients: readSenderClients(folder),
      findTruth: createFindTruth(sandboxPaths(folder).truth),
      now: Date.now,
    })
    await app.listen({ host, port })
    const address = app.server.address()
    assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
    if (register) registerInquiries(folder, `http://${host}:${address.port}`)
    log.info({ host, port: address.port }, 'inquiries.listening')
    await untilStopped(stop)
    return 0
  },
})
