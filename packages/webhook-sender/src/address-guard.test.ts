import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAddressGuard, type NetworkPolicy } from './address-guard.ts'
import { gatewaySpellings, ipv4Spellings, privateIpv4, privateIpv6 } from './private-address.fixture.ts'

const publicOnly: NetworkPolicy = { allowHttp: false, allowedNetworks: [], ports: [443, 8443] }
const anyPort: NetworkPolicy = { allowHttp: true, allowedNetworks: [], ports: null }
const publicIpv4 = ['1.1.1.1', '9.9.9.9', '100.63.255.255', '168.63.129.15', '172.32.0.1', '223.255.255.254']
const publicIpv6 = ['2606:4700:4700::1111', '2001:4860:4860::8888', '2a00:1450::1', '::ffff:1.1.1.1']
const hostOf = (address: string) => (address.includes(':') ? `[${address}]` : address)

describe('the URL of an endpoint', () => {
  const { urlProblem } = createAddressGuard(publicOnly)

  test.each([
    'https://merchant.example/hook',
    'https://hooks.merchant.example.:8443/a?b=c',
    'https://hooks.merchant.example:443/',
    'https://local.merchant.example/',
    'https://mylocalhost.example/',
    'https://bücher.example/',
  ])('%s may be used', (url) => {
    expect(urlProblem(url)).toBeNull()
  })

  test.each([
    ['merchant.example/hook', 'it is not a URL'],
    ['https://', 'it is not a URL'],
    ['https://127.0.0.256/', 'it is not a URL'],
    [`https://merchant.example/${'a'.repeat(2_048)}`, 'it is longer than 2048 characters'],
    ['http://merchant.example/', 'it is not https'],
    ['ftp://merchant.example/', 'it is not https'],
    ['file:///etc/passwd', 'it is not https'],
    ['https://key@merchant.example/', 'it has a login in it'],
    ['https://:word@merchant.example/', 'it has a login in it'],
    ['https://merchant.example@127.0.0.1/', 'it has a login in it'],
    ['https://merchant.example:80/', 'its port is not one of 443, 8443'],
    ['https://merchant.example:6379/', 'its port is not one of 443, 8443'],
    ['https://merchant.example:0/', 'its port is not one of 443, 8443'],
    ['https://localhost/', 'its host is a name of a private network'],
    ['https://LOCALHOST./', 'its host is a name of a private network'],
    ['https://a.localhost/', 'its host is a name of a private network'],
    ['https://printer.local/', 'its host is a name of a private network'],
    ['https://vault.internal./', 'its host is a name of a private network'],
    ['https://metadata.google.internal/', 'its host is a name of a private network'],
    ['https://nas.home.arpa/', 'its host is a name of a private network'],
    ['https://intranet/', 'its host is a name of a private network'],
    ['https://ｌｏｃａｌｈｏｓｔ/', 'its host is a name of a private network'],
    ['https://localhost../', 'its host is no name'],
    ['https://a..merchant.example/', 'its host is no name'],
    ['https://./', 'its host is no name'],
    ['https://1.1.1.1/', 'its host is an IP address'],
    ['https://[2606:4700:4700::1111]/', 'its host is an IP address'],
    ...privateIpv6.map((address) => [`https://[${address}]/`, 'its host is an IP address']),
    ...Object.values({ ...ipv4Spellings, ...gatewaySpellings }).map((spell) => [
      `https://${spell('169.254.169.254')}/`,
      'its host is an IP address',
    ]),
  ])('%s may not: %s', (url, problem) => {
    expect(urlProblem(url)).toBe(problem)
  })

  test('no private address comes through, however it is written', () => {
    const { urlProblem, addressesOf } = createAddressGuard(anyPort)
    const byte = fc.integer({ min: 0, max: 255 })
    const address = fc.oneof(
      fc.constantFrom(...privateIpv4),
      fc.tuple(fc.constant(127), byte, byte, byte).map((bytes) => bytes.join('.')),
      fc.tuple(fc.constant(10), byte, byte, byte).map((bytes) => bytes.join('.')),
      fc.tuple(fc.constant(169), fc.constant(254), byte, byte).map((bytes) => bytes.join('.')),
    )
    const spellings = Object.values({ ...ipv4Spellings, ...gatewaySpellings })
    return fc.assert(
      fc.asyncProperty(
        address,
        fc.constantFrom(...spellings),
        fc.constantFrom('http', 'https'),
        fc.integer({ min: 1, max: 65_535 }),
        async (of, spell, protocol, port) => {
          const url = `${protocol}://${spell(of)}:${port}/`
          expect(urlProblem(url)).toBe('its host is an IP address')
          // The second line of defence, which would have to hold if the first did not.
          expect((await addressesOf(new URL(url).hostname)).kind).toBe('refused')
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('an address', () => {
  const { addressProblem } = createAddressGuard(publicOnly)

  test.each([...privateIpv4, ...privateIpv6])('%s is refused', (address) => {
    expect(addressProblem(address)).toBe('it is not a public address')
  })
  test.each([...publicIpv4, ...publicIpv6])('%s may be connected to', (address) => {
    expect(addressProblem(address)).toBeNull()
  })
  test.each(['', 'localhost', '127.1', '0x7f000001', '2130706433', '1.1.1.1/32', '1.1.1.1 '])(
    '"%s" is none',
    (text) => {
      expect(addressProblem(text)).toBe('it is not an IP address')
    },
  )
})

const resolvingTo = (...addresses: string[]) =>
  createAddressGuard(publicOnly, { resolve: async () => addresses }).addressesOf('hooks.merchant.example')

describe('what a name resolves to', () => {
  test('is used when all of it is public', async () => {
    const addresses = ['1.1.1.1', '2606:4700:4700:0:0:0:0:1111', '::ffff:9.9.9.9']
    expect(await resolvingTo(...addresses)).toEqual({
      kind: 'allowed',
      addresses: ['1.1.1.1', '2606:4700:4700::1111', '9.9.9.9'],
    })
  })

  test.each([...privateIpv4, ...privateIpv6, '127.1', 'localhost'])(
    'is refused as a whole for one %s among it',
    async (address) => {
      for (const addresses of [[address], ['1.1.1.1', address], [address, '1.1.1.1']]) {
        expect((await resolvingTo(...addresses)).kind).toBe('refused')
      }
    },
  )

  test('is asked for once, and for the name without its last dot', async () => {
    const asked: string[] = []
    const guard = createAddressGuard(publicOnly, {
      resolve: async (host) => {
        asked.push(host)
        return ['1.1.1.1']
      },
    })
    await guard.addressesOf('hooks.merchant.example.')
    await guard.addressesOf('1.1.1.1')
    await guard.addressesOf('[::1]')
    expect(asked).toEqual(['hooks.merchant.example'])
  })
})

describe('a network that is allowed', () => {
  const guard = createAddressGuard({
    allowHttp: false,
    allowedNetworks: ['10.1.0.0/16', 'fd00:1::/32'],
    ports: null,
  })

  test.each(['10.1.2.3', '::ffff:10.1.2.3', 'fd00:1::5', '1.1.1.1'])('lets %s in', (address) => {
    expect(guard.addressProblem(address)).toBeNull()
  })
  test.each(['10.2.0.1', '127.0.0.1', '64:ff9b::a01:203', '2002:a01:203::', 'fd00:2::5'])(
    'does not let %s in',
    (address) => {
      expect(guard.addressProblem(address)).toBe('it is not a public address')
    },
  )
  test.each(['10.1.2.3', 'fd00:1::5'])('lets a URL name %s', (address) => {
    expect(guard.urlProblem(`https://${hostOf(address)}/`)).toBeNull()
  })
  test.each(['10.2.0.1', '1.1.1.1', '::1'])('does not let a URL name %s', (address) => {
    expect(guard.urlProblem(`https://${hostOf(address)}/`)).toBe('its host is an IP address')
  })
  test('lets names of private networks in, because their addresses decide', () => {
    expect(guard.urlProblem('https://receiver.internal/')).toBeNull()
    expect(guard.urlProblem('https://receiver/')).toBeNull()
  })
  test('does not allow plain HTTP', () => {
    expect(guard.urlProblem('http://10.1.2.3/')).toBe('it is not https')
  })
})
