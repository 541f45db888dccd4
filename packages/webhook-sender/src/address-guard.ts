import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Where webhooks may go. */
export type NetworkPolicy = {
  allowHttp: boolean
  /** CIDR. Addresses in them may be used although they are not public, also as the host of a URL. */
  allowedNetworks: readonly string[]
  /** null = any. */
  ports: readonly number[] | null
}

/** The addresses of a host that may all be connected to, or why none may. */
export type CheckedAddresses =
  /** In canonical form. */
  { kind: 'allowed'; addresses: readonly string[] } | { kind: 'refused'; problem: string }

/** Tells what may be called, so that nobody can make us call what only we can reach. */
export type AddressGuard = {
  /** What is wrong with a URL whatever its name resolves to, in words; null when nothing is. */
  urlProblem: (url: string) => string | null
  /** Resolves a host once; one address that may not be used refuses all. @throws what `resolve` throws */
  addressesOf: (hostname: string) => Promise<CheckedAddresses>
  /** Why an address may not be connected to, in words; null when it may. */
  addressProblem: (address: string) => string | null
}

/** Gives all addresses of a name. Throws when it has none. */
export type Resolve = (host: string) => Promise<readonly string[]>

export function createAddressGuard(
  { allowHttp, allowedNetworks, ports }: NetworkPolicy,
  options: { resolve?: Resolve } = {},
): AddressGuard {
  const networks = allowedNetworks.map((network) => ipaddr.parseCIDR(network))
  const isPublicOnly = networks.length === 0
  // The Internet's names come from DNS alone; a private deployment's may be in its hosts file.
  const resolve = options.resolve ?? (isPublicOnly ? resolveByDns : resolveBySystem)

  const isInAllowedNetwork = (address: Address) =>
    networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))

  function addressProblem(text: string): string | null {
    if (isIP(text) === 0) return 'it is not an IP address'
    const address = ipaddr.process(text)
    if (isInAllowedNetwork(address)) return null
    return isPublic(address) ? null : 'it is not a public address'
  }

  function urlProblem(text: string): string | null {
    if (text.length > maxUrlLength) return `it is longer than ${maxUrlLength} characters`
    const url = URL.parse(text)
    if (url === null) return 'it is not a URL'
    if (url.protocol !== 'https:' && !(allowHttp && url.protocol === 'http:')) return 'it is not https'
    if (url.username !== '' || url.password !== '') return 'it has a login in it'
    if (ports !== null && !ports.includes(portOf(url))) return `its port is not one of ${ports.join(', ')}`
    const host = bareHost(url.hostname)
    // Parsing has made an address of every way to write one.
    if (isIP(host) !== 0) {
      return isInAllowedNetwork(ipaddr.process(host)) ? null : 'its host is an IP address'
    }
    if (host.split('.').includes('')) return 'its host is no name'
    const isPrivateName = privateNames.test(host) || !host.includes('.')
    return isPublicOnly && isPrivateName ? 'its host is a name of a private network' : null
  }

  async function addressesOf(hostname: string): Promise<CheckedAddresses> {
    const host = bareHost(hostname)
    const addresses = isIP(host) !== 0 ? [host] : await resolve(host)
    const checked: string[] = []
    for (const address of addresses) {
      const problem = addressProblem(address)
      if (problem !== null) return { kind: 'refused', problem }
      checked.push(canonicalAddress(address))
    }
    return { kind: 'allowed', addresses: checked }
  }

  return { urlProblem, addressesOf, addressProblem }
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

const maxUrlLength = 2_048
const privateNames = /(^|\.)(localhost|local|internal|home\.arpa)$/

/** A parsed host without the brackets of IPv6 and without the trailing dot, which names the same host. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

/** The port of a parsed URL, or of the parts of one, that has none when it is the one of its protocol. */
export function portOf({ protocol, port }: { protocol: string; port: string }): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

/** Of the ways to write an IP address one, and IPv4 in IPv6 as IPv4. @throws when it is none */
export function canonicalAddress(address: string): string {
  return ipaddr.process(address).toString()
}

/** Cloud metadata at an address that counts as public. */
const denied = ['168.63.129.16']
/** What IPv6 has given out to the public; everything else has another meaning, known or to come. */
const publicIpv6 = ipaddr.parseCIDR('2000::/3')

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast' || denied.includes(address.toString())) return false
  return address.kind() === 'ipv4' || address.match(publicIpv6)
}

const dnsTimeoutMs = 1_500

/** Asks the name servers: unlike the system's lookup, a slow one does not hold a thread that files need too. */
async function resolveByDns(host: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: dnsTimeoutMs, tries: 2 })
  const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  if (ipv4.status === 'rejected' && ipv6.status === 'rejected') throw ipv4.reason
  return [ipv4, ipv6].flatMap((found) => (found.status === 'fulfilled' ? found.value : []))
}

async function resolveBySystem(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}
