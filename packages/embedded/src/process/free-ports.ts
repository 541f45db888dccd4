import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

// Below the ranges from which systems take the ports of outgoing connections (from 32768 on Linux, 49152
// elsewhere): while a node is down, no client, not even one that keeps dialling that very node, can be
// given its port.
const firstPort = 20_000
const lastPort = 32_000
const picksPerPort = 100
const tries = 5

/** What an attempt to open something on given ports came to. */
export type OnPorts<T> = { kind: 'opened'; value: T } | { kind: 'port-taken'; reason: string }

/**
 * Opens something on `count` free ports of the loopback interface. Between the choice of a port and its use
 * another process may take it, so an attempt that says `port-taken` is repeated on other ports, five times
 * at most.
 */
export async function openOnFreePorts<T>({
  count,
  pick = pickFreePorts,
  open,
}: {
  count: number
  pick?: (count: number) => Promise<number[]>
  open: (ports: number[]) => Promise<OnPorts<T>>
}): Promise<T> {
  let reason = ''
  for (let attempt = 0; attempt < tries; attempt++) {
    const attempted = await open(await pick(count))
    if (attempted.kind === 'opened') return attempted.value
    reason = attempted.reason
  }
  throw new Error(`Found no free port in ${tries} attempts. The last one: ${reason}`)
}

/** Ports on which nobody listens on 127.0.0.1, all different. */
export async function pickFreePorts(count: number): Promise<number[]> {
  const ports = new Set<number>()
  for (let picks = 0; ports.size < count; picks++) {
    if (picks > count * picksPerPort) throw new Error(`No free port between ${firstPort} and ${lastPort}`)
    const port = randomInt(firstPort, lastPort)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}
