import assert from 'node:assert/strict'
import type { Server } from 'node:http'

/** Tells the bench, by a log line as the services write it, that requests may come. */
export function tellListening(server: Server): void {
  const address = server.address()
  assert(typeof address === 'object' && address !== null, 'a TCP server has an address')
  process.stdout.write(`${JSON.stringify({ msg: 'bench.listening', port: address.port })}\n`)
}
