import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openOnFreePorts, pickFreePorts } from './free-ports.ts'
import { saysPortTaken } from './server-node.ts'

test('free ports are all different, and below those of outgoing connections', async () => {
  const ports = await pickFreePorts(20)
  expect(new Set(ports).size).toBe(20)
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000)
    expect(port).toBeLessThan(32_000)
  }
})

test('a port that was taken meanwhile is replaced by another', async () => {
  const taken = await listen()
  const picks = [[taken], [taken + 1]]
  const opened = await openOnFreePorts({
    count: 1,
    pick: async () => picks.shift() ?? [],
    open: async ([port = 0]) =>
      port === taken ? { kind: 'port-taken', reason: `${port} is taken` } : { kind: 'opened', value: port },
  })
  expect(opened).toBe(taken + 1)
})

test('it gives up after five attempts, with the last reason', async () => {
  let attempts = 0
  const opening = openOnFreePorts({
    count: 1,
    open: async () => {
      attempts += 1
      return { kind: 'port-taken', reason: `attempt ${attempts}` }
    },
  })
  await expect(opening).rejects.toThrow('no free port in 5 attempts. The last one: attempt 5')
})

test.each([
  ['Could not create server TCP listening socket 127.0.0.1:20001: bind: Address already in use', true],
  ['Socket server failed to bind to 127.0.0.1:20001: Address already in use.', true],
  ['java.net.BindException: Address already in use: bind', true],
  ['Failed to acquire lock on file .lock in /data', false],
])('%j: the port was taken is %j', (log, taken) => {
  expect(saysPortTaken(log)).toBe(taken)
})

async function listen(): Promise<number> {
  const server = createServer().listen({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server has no port')
  return address.port
}
