import assert from 'node:assert/strict'
import type { DeliveryLine } from '@signalbox/contracts/simulator-files'
import { createLogger } from '@signalbox/runtime/log'
import { stopSignal, untilStopped } from '@signalbox/runtime/stop'
import { z } from 'zod'
import { createVerb } from '@signalbox/runtime/command-line'
import { openJsonLines } from '../json-lines.ts'
import { readSinks, registerSinks, sandboxPaths } from '../sandbox.ts'
import { createSinkServer } from '../sinks/sink-server.ts'
import { folderOption } from './sandbox-options.ts'

export const sinksVerb = createVerb({
  name: 'sinks',
  about: 'Plays the merchants: receives webhooks, verifies each, and writes deliveries.jsonl.',
  options: z.object({
    folder: folderOption,
    host: z.string().default('127.0.0.1').meta({ value: 'HOST', description: 'address to listen on' }),
    port: z.coerce.number().int().min(0).max(65_535).default(8070).meta({
      value: 'PORT',
      description: 'port to listen on; 0 takes a free one',
    }),
    register: z.boolean().default(false).meta({
      description: 'write the address into endpoints.json, before the services read it',
    }),
    failFirst: z.coerce.number().int().min(0).default(0).meta({
      value: 'COUNT',
      description: 'answer the first webhooks of each endpoint with an error',
    }),
    failStatus: z.coerce.number().int().min(200).max(599).default(503).meta({
      value: 'STATUS',
      description: 'which error that is',
    }),
    delayMs: z.coerce.number().int().min(0).max(600_000).default(0).meta({
      value: 'MS',
      description: 'wait before every answer',
    }),
  }),
  async run({ folder, host, port, register, ...faults }) {
    const log = createLogger('sinks', { level: 'info' })
    const stop = stopSignal({ service: 'sinks', deadlineMs: 10_000 })
    using deliveries = openJsonLines<DeliveryLine>(sandboxPaths(folder).deliveries)
    await using app = createSinkServer({ sinks: readSinks(folder), faults, record: deliveries.append })
    await app.listen({ host, port })
    const address = app.server.address()
    assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
    if (register) registerSinks(folder, `http://${host}:${address.port}`)
    log.info({ host, port: address.port }, 'sinks.listening')
    await untilStopped(stop)
    return 0
  },
})
