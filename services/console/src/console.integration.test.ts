import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { merchantKey } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import { openRegistrationStore } from '@signalbox/registration-store/registration-store'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { namedRegistration } from './named-registration.fixture.ts'

const redisUrl = inject('redisUrl')
const silent = { info: () => {}, warn: () => {} }
const program = fileURLToPath(new URL('./main.ts', import.meta.url))
const partitions = 5

describe('the console process', () => {
  test('answers from the Redis view, page by page, and ends by itself when told', async () => {
    const keyPrefix = `test-${randomUUID()}:`
    const stores = [null, 'S 1', 'S/2', '店']
    await writeView(keyPrefix, stores)
    const running = await startConsole({ REDIS_URL: redisUrl, REDIS_KEY_PREFIX: keyPrefix })

    const first = await running.ask('limit=3')
    expect([first.status, first.stores]).toEqual([200, [null, '店', 'S 1']])
    const second = await running.ask(`limit=3&cursor=${encodeURIComponent(first.next ?? '')}`)
    expect([second.stores, second.next]).toEqual([['S/2'], null])
    expect((await running.ask('referenceStoreId=S%2F2')).stores).toEqual(['S/2'])
    expect((await running.ask('referenceStoreId=S3')).status).toBe(404)

    expect(await running.end('SIGTERM')).toBe(0)
  })

  test('answers 503 within seconds while Redis is away, and recovers', async () => {
    const keyPrefix = `test-${randomUUID()}:`
    await writeView(keyPrefix, [null])
    const proxy = await openProxy()
    const running = await startConsole({ REDIS_URL: proxy.url, REDIS_KEY_PREFIX: keyPrefix })
    expect((await running.ask('')).status).toBe(200)

    for (const fault of [proxy.cut, proxy.freeze]) {
      fault()
      const begunMs = performance.now()
      expect((await running.ask('')).status).toBe(503)
      expect(performance.now() - begunMs).toBeLessThan(5_000)
      proxy.heal()
      await expect.poll(async () => (await running.ask('')).status, { timeout: 20_000 }).toBe(200)
    }
    expect(await running.end('SIGTERM')).toBe(0)
  })

  test.each([
    ['a missing tokens file', { API_TOKENS_FILE: '/nowhere/tokens.json' }, /API_TOKENS_FILE.*\/nowhere/],
    ['a missing variable', { REDIS_URL: '' }, /REDIS_URL is missing/],
    ['a misspelt variable', { CONSOLE_PROT: '1' }, /CONSOLE_PROT.*CONSOLE_PORT/],
    ['a Redis that is away', { REDIS_URL: 'redis://127.0.0.1:1' }, /127\.0\.0\.1:1 \(REDIS_URL\)/],
  ])('refuses to start with %s, in words, with exit code 1', async (_, env, reason) => {
    const child = spawnConsole({ REDIS_URL: redisUrl, ...env })
    const [said, code] = await Promise.all([text(child.stderr), exitOf(child)])
    expect(code).toBe(1)
    expect(said).toMatch(reason)
    expect(said).not.toMatch(/^ +at /m)
  })
})

const merchant = { clientId: 'C1', referenceMerchantId: 'M 1' }

async function writeView(keyPrefix: string, stores: readonly (string | null)[]): Promise<void> {
  await using store = await openRegistrationStore({ url: redisUrl, keyPrefix, log: silent })
  const saved = await store.save({
    partition: partitionOf(merchantKey(merchant), partitions),
    expected: null,
    next: 'w1',
    registrations: stores.map((storeId) => namedRegistration({ merchant: 'M 1', store: storeId })),
    counted: null,
  })
  expect(saved).toEqual({ kind: 'saved' })
}

const token = 'a-token'
const line = z.object({ msg: z.string(), port: z.number().optional() })
const page = z.object({
  registrations: z
    .array(z.object({ signalbox: z.object({ referenceStoreId: z.string().nullable() }) }))
    .default([]),
  next: z.string().nullable().default(null),
})

function spawnConsole(env: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-console-'))
  const sha256 = createHash('sha256').update(token).digest('hex')
  writeFileSync(
    join(folder, 'tokens.json'),
    JSON.stringify({ tokens: [{ sha256, role: 'viewer', clients: ['C1'] }] }),
  )
  const child = spawn(process.execPath, [program], {
    env: {
      LISTEN_HOST: '127.0.0.1',
      CONSOLE_PORT: '0',
      OPS_PORT: '0',
      TOPIC_PARTITIONS: String(partitions),
      API_TOKENS_FILE: join(folder, 'tokens.json'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exitOf(child)
    rmSync(folder, { recursive: true, force: true })
  })
  return child
}

async function startConsole(env: Record<string, string>) {
  const child = spawnConsole(env)
  let port: number | undefined
  for await (const logged of createInterface({ input: child.stdout })) {
    const event = line.parse(JSON.parse(logged))
    if (event.msg !== 'console.listening') continue
    port = event.port
    break
  }
  child.stdout.resume()
  return {
    async ask(more: string) {
      const query = `clientId=C1&referenceMerchantId=M%201&${more}`
      const answer = await fetch(`http://127.0.0.1:${port}/v1/registrations?${query}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      const { registrations, next } = page.parse(await answer.json())
      const stores = registrations.map(({ signalbox }) => signalbox.referenceStoreId)
      return { status: answer.status, stores, next }
    },
    end(signal: NodeJS.Signals) {
      child.kill(signal)
      return exitOf(child)
    },
  }
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode)
    else child.once('exit', resolve)
  })
}

/** A way to Redis that can be cut, or be held up with everything in it. */
async function openProxy() {
  const target = new URL(redisUrl)
  const sockets = new Set<Socket>()
  let cut = false
  const server = createServer((inward) => {
    const outward = connect(Number(target.port), target.hostname)
    for (const socket of [inward, outward]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        inward.destroy()
        outward.destroy()
      })
    }
    inward.on('data', (bytes) => outward.write(bytes))
    outward.on('data', (bytes) => inward.write(bytes))
    if (cut) inward.destroy()
  })
  const forEach = (act: (socket: Socket) => void) => {
    for (const socket of sockets) act(socket)
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    forEach((socket) => socket.destroy())
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return {
    url: `redis://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    cut: () => {
      cut = true
      forEach((socket) => socket.destroy())
    },
    freeze: () => forEach((socket) => socket.pause()),
    heal: () => {
      cut = false
      forEach((socket) => socket.resume())
    },
  }
}
