import { isIP } from 'node:net'

const privateNames = /(^|\.)(localhost|local|internal|home\.arpa)$/

/**
 * Why a deployment that sends to the public Internet must not use a URL; null when it may. Looks at the parsed
 * host, so that `0x7f.1` is seen as the address that it is.
 */
export function insecurityOf(url: URL): string | null {
  if (url.protocol !== 'https:') return 'it is not https'
  // A trailing dot names the same host.
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  if (isIP(host) !== 0) return 'its host is an IP address'
  if (privateNames.test(host) || !host.includes('.')) return 'its host is a name of a private network'
  return null
}
