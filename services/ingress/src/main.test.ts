import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestClient } from '@signalbox/testkit/signed-notification'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runIngress } from './main.fixture.ts'

let folder: string
let env: Record<string, string>
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingress-main-'))
  const { clientsFile } = await createTestClient(folder)
  const ports = { INGRESS_PORT: '0', OPS_PORT: '0', LISTEN_HOST: '127.0.0.1' }
  env = { ...ports, KAFKA_BROKERS: `127.0.0.1:${await closedPort()}`, CLIENTS_FILE: clientsFile }
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A port on which nothing listens any more. */
async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  await new Promise((resolve) => server.close(resolve))
  return port
}

test.each<[string, (folder: string) => Record<string, string | undefined>, RegExp[]]>([
  [
    'a missing variable',
    () => ({ CLIENTS_FILE: undefined }),
    [/CLIENTS_FILE is missing: set it/, /JSON file/],
  ],
  [
    'a misspelled variable',
    () => ({ KAFKA_BROKER: 'a:9092', KAFKA_BROKERS: undefined }),
    [/KAFKA_BROKER is not a variable of this service: did you mean KAFKA_BROKERS\?/],
  ],
  [
    'values that do not fit',
    () => ({ ACK_DEADLINE_MS: '60000', INGRESS_PORT: 'http', BODY_LIMIT_BYTES: '99999999' }),
    [/ACK_DEADLINE_MS .*100 to 5000 ms/, /INGRESS_PORT is set/, /BODY_LIMIT_BYTES .*record of the raw topic/],
  ],
  [
    'a clients file that is not there',
    (at) => ({ CLIENTS_FILE: join(at, 'gone.json') }),
    [/CLIENTS_FILE names the file .*gone\.json, which cannot be read \(ENOENT\)\. Create it/],
  ],
  [
    'a bad key',
    (at) => {
      writeFileSync(join(at, 'keys/SANDBOX_5X00000000000000.pem'), 'no key')
      return {}
    },
    [/client SANDBOX_5X00000000000000 has a bad key, ownKeys version 1: .*Put our RSA private key into/],
  ],
  [
    'a broker that does not answer',
    () => ({}),
    [/Kafka does not answer at 127\.0\.0\.1:\d+ \(KAFKA_BROKERS\).*Check that a broker runs there/],
  ],
])(
  '%s ends the start with one readable message and exit code 1',
  { timeout: 30_000 },
  async (_, change, messages) => {
    const changed = Object.entries({ ...env, ...change(folder) }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    )
    await using ingress = runIngress(Object.fromEntries(changed))
    expect(await ingress.ended).toBe(1)
    const said = ingress
      .output()
      .split('\n')
      .filter((line) => !line.startsWith('{'))
      .join('\n')
    for (const message of messages) expect(said).toMatch(message)
    expect(said).not.toMatch(/^\s+at |node:internal/m)
  },
)
