import { execFile } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { openSender } from './endpoint.fixture.ts'
import { type PublishedKey, readSigningKeys, type SigningKeys } from './signing-keys.ts'
import { webhookHeaders } from './webhook-headers.ts'

// Deliveries that went over a real connection are verified by the libraries that receivers use. The ones of other
// languages are installed into a folder of the test; where that cannot be, the test is skipped with the reason.

const body = '{"type":"registration.changed","note":"é 漢字 \\u0000 \\"<>&"}'

type Delivery = { headers: Record<string, string>; body: string }
/** Of each secret whether the delivery must verify with it. */
type Expected = { secret: string; verifies: boolean }[]

let folder: string
let keys: SigningKeys
let publicKey: PublishedKey
let delivery: Delivery
let expected: Expected

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'interoperability-'))
  const { privateKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(folder, 'k1.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const file = join(folder, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [{ keyId: 'k1', state: 'active', privateKeyFile: 'k1.pem' }] }))
  keys = readSigningKeys(file)
  const [published] = keys.publicKeySet.keys
  if (published === undefined) throw new Error('no key is published')
  publicKey = published
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeEach(async () => {
  const [newest, old, other] = [randomBytes(32), randomBytes(24), randomBytes(32)]
  // As during a rotation: both secrets are in force.
  delivery = await deliver([newest, old])
  expected = [
    { secret: textOf(newest), verifies: true },
    { secret: textOf(old), verifies: true },
    { secret: textOf(other), verifies: false },
  ]
})

const textOf = (secret: Buffer) => `whsec_${secret.toString('base64')}`

/** What arrives at an endpoint. */
async function deliver(secrets: readonly Uint8Array[]): Promise<Delivery> {
  const arrived = Promise.withResolvers<Delivery>()
  const server = createServer((request, response) => {
    text(request).then((body) => {
      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(request.headers)) headers[name] = String(value)
      arrived.resolve({ headers, body })
      response.end()
    }, arrived.reject)
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  const headers = webhookHeaders({
    id: 'a-client|merchant|store|7|endpoint',
    body,
    secrets,
    signingKey: keys.signing,
    nowMs: Date.now(),
  })
  const answer = await openSender()(`http://127.0.0.1:${address.port}/`, { headers, body })
  expect(answer).toMatchObject({ kind: 'status', status: 200 })
  return arrived.promise
}

test('the library for JavaScript verifies a delivery with each secret in force', () => {
  for (const one of expected.filter(({ verifies }) => verifies)) {
    expect(new Webhook(one.secret).verify(delivery.body, delivery.headers)).toEqual(JSON.parse(body))
  }
  for (const one of expected.filter(({ verifies }) => !verifies)) {
    expect(() => new Webhook(one.secret).verify(delivery.body, delivery.headers)).toThrow('No matching')
  }
})

test('v1a verifies with the published key alone', () => {
  const {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': list = '',
  } = delivery.headers
  const signature = Buffer.from(/(?:^| )v1a,(\S+)/.exec(list)?.[1] ?? '', 'base64')
  const { kty, crv, x } = publicKey
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' })
  expect(verify(null, Buffer.from(`${id}.${timestamp}.${body}`), key, signature)).toBe(true)
  expect(verify(null, Buffer.from(`${id}.${timestamp}.${body} `), key, signature)).toBe(false)
})

const run = promisify(execFile)

/** Fetches or builds what a check needs; null when that is done, else why it is not. */
async function prepare(
  [command = '', ...args]: string[],
  { mustWork, ...limits }: { cwd: string; timeout: number; mustWork?: boolean },
): Promise<string | null> {
  try {
    await run(command, args, limits)
    return null
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isLate = 'killed' in error && error.killed === true
    if (mustWork && !isLate) throw error
    return isLate ? `${command} took longer than ${limits.timeout} ms` : error.message.slice(-300)
  }
}

const checkInPython = `
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
def verifies(secret):
    try:
        return Webhook(secret).verify(given["body"].encode(), given["headers"]) == json.loads(given["body"])
    except WebhookVerificationError:
        return False
print(json.dumps([verifies(secret) for secret in given["secrets"]]))
`

test('the library for Python verifies a delivery with each secret in force', async ({ skip }) => {
  const target = join(folder, 'python')
  const install = ['install', '--quiet', '--no-cache-dir', '--disable-pip-version-check', '--no-compile']
  const missing = await prepare(
    ['python3', '-m', 'pip', ...install, '--target', target, 'standardwebhooks==1.1.0'],
    { cwd: folder, timeout: 45_000 },
  )
  skip(missing !== null, `no library for Python: ${missing}`)
  const python = ['PYTHONDONTWRITEBYTECODE=1', `PYTHONPATH=${target}`, 'python3', '-c', checkInPython]
  const check = run('env', python, { cwd: folder, timeout: 10_000 })
  check.child.stdin?.end(given())
  expect(JSON.parse((await check).stdout)).toEqual(expected.map(({ verifies }) => verifies))
}, 60_000)

/** The library verifies `v1`; of `v1a` it knows nothing, so that the language's own ed25519 does that. */
const checkInGo = `package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

type given struct {
	Headers   map[string]string
	Body      string
	Secrets   []string
	PublicKey string
}

func main() {
	var from given
	if err := json.NewDecoder(os.Stdin).Decode(&from); err != nil {
		panic(err)
	}
	headers := http.Header{}
	for name, value := range from.Headers {
		headers.Set(name, value)
	}
	verifies := []bool{}
	for _, secret := range from.Secrets {
		webhook, err := standardwebhooks.NewWebhook(secret)
		verifies = append(verifies, err == nil && webhook.Verify([]byte(from.Body), headers) == nil)
	}
	json.NewEncoder(os.Stdout).Encode(append(verifies, verifiesAsymmetric(from, headers)))
}

func verifiesAsymmetric(from given, headers http.Header) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(from.PublicKey, "whpk_"))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false
	}
	signed := headers.Get("webhook-id") + "." + headers.Get("webhook-timestamp") + "." + from.Body
	for _, one := range strings.Split(headers.Get("webhook-signature"), " ") {
		signature, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1a,"))
		if strings.HasPrefix(one, "v1a,") && err == nil && ed25519.Verify(key, []byte(signed), signature) {
			return true
		}
	}
	return false
}
`

test('the library for Go verifies a delivery with each secret in force, and v1a verifies', async ({
  skip,
}) => {
  const cwd = join(folder, 'go')
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'main.go'), checkInGo)
  const module = 'github.com/standard-webhooks/standard-webhooks/libraries'
  writeFileSync(join(cwd, 'go.mod'), `module check\n\ngo 1.21\n\nrequire ${module} v0.0.1\n`)
  // Everything that Go writes goes into the folder of the test.
  const go = [
    'env',
    `HOME=${cwd}`,
    `XDG_CONFIG_HOME=${cwd}`,
    `XDG_CACHE_HOME=${cwd}`,
    `GOPATH=${join(cwd, 'path')}`,
    `GOMODCACHE=${join(cwd, 'modules')}`,
    `GOCACHE=${join(cwd, 'cache')}`,
    `GOTMPDIR=${cwd}`,
    'GOFLAGS=-mod=mod -modcacherw -buildvcs=false',
    'GOTOOLCHAIN=local',
    'CGO_ENABLED=0',
    'go',
  ]
  const missing = await prepare([...go, 'mod', 'download', module], { cwd, timeout: 10_000 })
  skip(missing !== null, `no library for Go: ${missing}`)
  // Nearly all of the time goes into compiling Go's own packages, so without optimising them.
  const build = [...go, 'build', '-gcflags=all=-N -l -dwarf=false', '-ldflags=-s -w', '-o', 'check', '.']
  const unbuilt = await prepare(build, { cwd, timeout: 42_000, mustWork: true })
  skip(unbuilt !== null, `no check in Go: ${unbuilt}`)
  const check = run(join(cwd, 'check'), { cwd, timeout: 4_000 })
  check.child.stdin?.end(given())
  expect(JSON.parse((await check).stdout)).toEqual([...expected.map(({ verifies }) => verifies), true])
}, 60_000)

/** What the checks in other languages read. */
function given(): string {
  const secrets = expected.map(({ secret }) => secret)
  return JSON.stringify({ ...delivery, secrets, publicKey: publicKey.whpk })
}
