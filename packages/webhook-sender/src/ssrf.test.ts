import { execFile } from 'node:child_process'
import { networkInterfaces } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Resolve } from './address-guard.ts'
import {
  answers,
  answersOk,
  type Endpoint,
  everywhere,
  openEndpoint,
  openSender,
  playedPublic,
  publicAddress,
  publicOnly,
} from './endpoint.fixture.ts'
import { gatewaySpellings, ipv4Spellings } from './private-address.fixture.ts'

// Every test has a canary: a real server on this machine that no call may reach.

const refused = { kind: 'none', error: 'address_refused' }
const taken = { kind: 'status', status: 200, retryAfter: null, body: null }
const hasIpv6 = Object.values(networkInterfaces()).some((of) => of?.some(({ address }) => address === '::1'))
const anyAddress = hasIpv6 ? '::' : '0.0.0.0'
const openCanary = (host = '127.0.0.1', port = 0) => openEndpoint(answersOk, { host, port })

function expectUntouched(canary: Endpoint): void {
  expect([canary.connections(), canary.bytes()]).toEqual([0, 0])
}

describe('a URL that names this machine by address reaches nothing', () => {
  const spellings = Object.entries({ ...ipv4Spellings, ...gatewaySpellings })
  const hosts = ['127.0.0.1', '127.0.0.2', '127.255.255.254'].flatMap((address) =>
    spellings.map(([how, spell]) => [how, spell(address)] as const),
  )
  const others = ['0.0.0.0', '0', '0x0', '[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::0001]'].map(
    (host) => ['address of this machine', host] as const,
  )

  test.each([...hosts, ...others])('%s: %s', async (_, host) => {
    const canary = await openCanary(anyAddress)
    const send = openSender({ policy: publicOnly })
    expect(await send(`http://${host}:${canary.port}/`)).toEqual(refused)
    expectUntouched(canary)
  })

  test.each(Object.entries(ipv4Spellings))(
    'while with every network allowed the canary is reached by: %s',
    async (_, spell) => {
      const canary = await openCanary()
      expect(
        await openSender({ policy: everywhere })(`http://${spell('127.0.0.1')}:${canary.port}/`),
      ).toEqual(taken)
      expect(canary.connections()).toBe(1)
    },
  )
})

test.skipIf(!hasIpv6)('with every network allowed the canary is reached by IPv6 too', async () => {
  const canary = await openCanary(anyAddress)
  expect(await openSender({ policy: everywhere })(`http://[::1]:${canary.port}/`)).toEqual(taken)
  expect(canary.connections()).toBe(1)
})

describe('a name that leads to this machine reaches nothing', () => {
  const names: [string, string[]][] = [
    ['hooks.merchant.example', ['127.0.0.1']],
    ['hooks.merchant.example.', ['127.0.0.1']],
    ['hooks.merchant.example', ['::ffff:127.0.0.1']],
    ['hooks.merchant.example', ['::1']],
    ['hooks.merchant.example', ['::127.0.0.1']],
    ['hooks.merchant.example', ['64:ff9b::7f00:1']],
    ['hooks.merchant.example', ['2002:7f00:1::']],
    ['hooks.merchant.example', ['0.0.0.0']],
    ['127.0.0.1.nip.example', ['127.0.0.1']],
    ['localhost', ['127.0.0.1']],
    ['localhost.', ['127.0.0.1']],
    ['LocalHost', ['127.0.0.1']],
    ['a.localhost', ['127.0.0.1']],
    ['printer.local', ['127.0.0.1']],
    ['metadata.google.internal', ['127.0.0.1']],
    ['nas.home.arpa.', ['127.0.0.1']],
    ['intranet', ['127.0.0.1']],
  ]

  test.each(names)('%s with %j', async (host, addresses) => {
    const canary = await openCanary(anyAddress)
    const send = openSender({ policy: publicOnly, resolve: async () => addresses })
    expect(await send(`http://${host}:${canary.port}/`)).toEqual(refused)
    expectUntouched(canary)
  })

  test.each(names.filter(([, [address]]) => address === '127.0.0.1' || address === '::ffff:127.0.0.1'))(
    'while with every network allowed the canary is reached by %s with %j',
    async (host, addresses) => {
      const canary = await openCanary()
      const send = openSender({ policy: everywhere, resolve: async () => addresses })
      expect(await send(`http://${host}:${canary.port}/`)).toEqual(taken)
      expect(canary.connections()).toBe(1)
    },
  )

  test.each([
    [[publicAddress, '127.0.0.1']],
    [['127.0.0.1', publicAddress]],
    [[publicAddress, '::1']],
    [[publicAddress, '::ffff:7f00:1']],
    [[publicAddress, '169.254.169.254']],
    [[publicAddress, '168.63.129.16']],
  ])('when one answer of %j is bad, not even the good one is called', async (addresses) => {
    const canary = await openCanary(anyAddress)
    const send = openSender({ policy: playedPublic, resolve: async () => addresses })
    expect(await send(`http://hooks.merchant.example:${canary.port}/`)).toEqual(refused)
    expectUntouched(canary)
  })
})

/** Gives the public address the first time, that of the canary from then on. */
function openRebinding() {
  const asked: string[] = []
  const resolve: Resolve = async (host) => {
    asked.push(host)
    return [asked.length === 1 ? publicAddress : '127.0.0.1']
  }
  return { asked, resolve }
}

describe('a name whose address changes', () => {
  test('is connected to where it was checked, and asked for once', async () => {
    const endpoint = await openEndpoint(answersOk, { host: publicAddress })
    const canary = await openCanary('127.0.0.1', endpoint.port)
    const { asked, resolve } = openRebinding()
    const send = openSender({ policy: playedPublic, resolve })
    expect(await send(`http://hooks.merchant.example:${endpoint.port}/`)).toEqual(taken)
    expect(asked).toEqual(['hooks.merchant.example'])
    expect(endpoint.connections()).toBe(1)
    expectUntouched(canary)
  })

  test('is checked anew for the next connection', async () => {
    const endpoint = await openEndpoint(
      answers('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
      { host: publicAddress },
    )
    const canary = await openCanary('127.0.0.1', endpoint.port)
    const send = openSender({ policy: playedPublic, resolve: openRebinding().resolve })
    const url = `http://hooks.merchant.example:${endpoint.port}/`
    expect(await send(url)).toEqual(taken)
    for (let call = 0; call < 5; call += 1) expect(await send(url)).toEqual(refused)
    expectUntouched(canary)
  })

  test('keeps a connection only for so long, however busy it is', async () => {
    const connectionAgeMs = 200
    const endpoint = await openEndpoint(answersOk, { host: publicAddress })
    const canary = await openCanary('127.0.0.1', endpoint.port)
    const send = openSender({ policy: playedPublic, resolve: openRebinding().resolve, connectionAgeMs })
    const url = `http://hooks.merchant.example:${endpoint.port}/`
    const begun = performance.now()
    let calls = 0
    while ((await send(url)).kind === 'status') {
      calls += 1
      // A connection can be used again a turn after its answer.
      await setImmediate()
      if (performance.now() - begun > 10 * connectionAgeMs) throw new Error('the connection is still used')
    }
    expect(calls).toBeGreaterThan(1)
    expect(endpoint.connections()).toBe(1)
    expect(await send(url)).toEqual(refused)
    await expect.poll(() => endpoint.open()).toBe(0)
    expectUntouched(canary)
  })
})

test('nothing is sent to an address that turns out not to be the one that was checked', async () => {
  const canary = await openCanary()
  // The system connects 0.0.0.0 to another address than it was told.
  const send = openSender({ policy: everywhere, resolve: async () => ['0.0.0.0'] })
  expect(await send(`http://hooks.merchant.example:${canary.port}/`)).toEqual(refused)
  expect(await send(`https://hooks.merchant.example:${canary.port}/`)).toEqual(refused)
  await expect.poll(() => [canary.connections(), canary.open()]).toEqual([2, 0])
  expect(canary.bytes()).toBe(0)
})

describe('an answer cannot send the call elsewhere', () => {
  test.each([301, 302, 303, 307, 308])(
    '%d to a canary or to a metadata address is not followed',
    async (status) => {
      const canary = await openCanary()
      for (const location of [
        `http://127.0.0.1:${canary.port}/`,
        `//127.0.0.1:${canary.port}/`,
        'http://169.254.169.254/latest/meta-data/',
        'http://metadata.google.internal/',
      ]) {
        const endpoint = await openEndpoint(
          answers(`HTTP/1.1 ${status} Moved\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`),
          { host: publicAddress },
        )
        const asked: string[] = []
        const send = openSender({
          policy: playedPublic,
          resolve: async (host) => {
            asked.push(host)
            return [publicAddress]
          },
        })
        const answer = await send(`http://hooks.merchant.example:${endpoint.port}/`)
        expect(answer).toEqual({ kind: 'status', status, retryAfter: null, body: null })
        expect([endpoint.connections(), asked]).toEqual([1, ['hooks.merchant.example']])
      }
      expectUntouched(canary)
    },
  )

  test.each(['refresh: 0; url=', 'alt-svc: http/1.1="', 'content-location: ', 'link: '])(
    'nor does the header %s',
    async (header) => {
      const canary = await openCanary()
      const endpoint = await openEndpoint(
        answers(`HTTP/1.1 200 OK\r\n${header}http://127.0.0.1:${canary.port}/\r\ncontent-length: 0\r\n\r\n`),
        { host: publicAddress },
      )
      const send = openSender({ policy: playedPublic })
      const url = `http://${publicAddress}:${endpoint.port}/`
      expect(await send(url)).toEqual(taken)
      await setImmediate()
      expect(await send(url)).toEqual(taken)
      expect(endpoint.connections()).toBe(1)
      expectUntouched(canary)
    },
  )
})

test('a port that is not allowed is not called', async () => {
  const canary = await openCanary()
  const send = openSender({ policy: { ...everywhere, ports: [443, 8443] } })
  expect(await send(`http://127.0.0.1:${canary.port}/`)).toEqual(refused)
  expectUntouched(canary)
  const allowed = openSender({ policy: { ...everywhere, ports: [canary.port] } })
  expect(await allowed(`http://127.0.0.1:${canary.port}/`)).toEqual(taken)
})

test('a login in the URL is refused', async () => {
  const canary = await openCanary()
  const send = openSender()
  expect(await send(`http://hooks.merchant.example@127.0.0.1:${canary.port}/`)).toEqual(refused)
  expectUntouched(canary)
})

test('the Host header is the URL’s, whatever the endpoint’s own headers say', async () => {
  const requests: string[] = []
  const endpoint = await openEndpoint((socket) => {
    socket.on('data', (chunk: Buffer) => requests.push(chunk.toString()))
    answersOk(socket)
  })
  const send = openSender({ resolve: async () => ['127.0.0.1'] })
  await send(`http://hooks.merchant.example:${endpoint.port}/`, { headers: { Host: '169.254.169.254' } })
  expect(requests[0]?.match(/^host: .*$/gim)).toEqual([`host: hooks.merchant.example:${endpoint.port}`])
})

test('a proxy of the environment is not used', async () => {
  const proxy = await openCanary()
  const endpoint = await openEndpoint(answersOk)
  const address = `http://127.0.0.1:${proxy.port}`
  const program = `
    import { createAddressGuard } from '${new URL('address-guard.ts', import.meta.url).href}'
    import { openWebhookSender } from '${new URL('send-webhook.ts', import.meta.url).href}'
    const guard = createAddressGuard({ allowHttp: true, allowedNetworks: ['127.0.0.0/8'], ports: null })
    await using sender = openWebhookSender({ timeoutMs: 5_000, guard })
    const url = 'http://127.0.0.1:${endpoint.port}/'
    const { signal } = new AbortController()
    process.stdout.write(JSON.stringify(await sender.send({ url, headers: {}, body: '{}', signal })))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    env: {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: address,
      http_proxy: address,
      HTTPS_PROXY: address,
      ALL_PROXY: address,
      NO_PROXY: '',
    },
  })
  expect(JSON.parse(stdout)).toEqual(taken)
  expect(endpoint.connections()).toBe(1)
  expectUntouched(proxy)
})
