import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { EndpointWriter } from '@signalbox/alert-endpoints/change-endpoint'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import { readSealingKeys } from '@signalbox/alert-endpoints/sealing'
import { readEndpointRecord } from '@signalbox/contracts/endpoint-record'
import { httpLimits } from '@signalbox/runtime/http-limits'
import { createLogger } from '@signalbox/runtime/log'
import Fastify from 'fastify'
import { addEmailLinkRoutes } from './email-links.ts'

/** One endpoint at most, changed in memory as the writer of endpoints does it. */
export type MemoryEndpoint = { known: Endpoint | null; change: EndpointWriter['change'] }

export function createMemoryEndpoint(first: Endpoint | null, now: () => number): MemoryEndpoint {
  const memory: MemoryEndpoint = {
    known: first,
    async change(endpointId, decide) {
      const { known } = memory
      const decision = decide(known?.endpointId === endpointId ? known : null, now())
      if (decision.kind === 'refused') return decision
      const endpoint = decision.kind === 'changed' ? decision.next : decision.endpoint
      memory.known = endpoint
      return { kind: decision.kind, endpoint }
    },
  }
  return memory
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/**
 * Run as a program, it serves the links over HTTP, for tests that get their links elsewhere: the first argument names a
 * keys file, the second a file with the endpoint's record. It prints its port, and then the record after each change.
 */
if (import.meta.main) {
  const [, , keysFile, recordFile] = process.argv
  assert(keysFile !== undefined && recordFile !== undefined, 'two files are named')
  const memory = createMemoryEndpoint(readEndpointRecord(readFileSync(recordFile, 'utf8')), Date.now)
  const app = Fastify({ ...httpLimits })
  addEmailLinkRoutes(app, {
    writer: {
      async change(...given) {
        const result = await memory.change(...given)
        if (result.kind === 'changed') print(result.endpoint)
        return result
      },
    },
    keys: readSealingKeys(keysFile),
    log: createLogger('console', { level: 'silent' }),
    now: Date.now,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  print({ port: address.port })
}
