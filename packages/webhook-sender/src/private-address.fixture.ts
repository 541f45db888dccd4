/** IPv4 addresses that nobody outside can be reached by. */
export const privateIpv4 = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '169.254.170.2',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
]

/** IPv6 addresses that nobody outside can be reached by, or that lead on to an IPv4 address. */
export const privateIpv6 = [
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '100::1',
  '2001::7f00:1',
  '2001:2::1',
  '2001:10::1',
  '2001:20::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '2002:a9fe:a9fe::1',
  '3fff::1',
  '5f00::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '4000::1',
]

type Spelling = (address: string) => string

const bytesOf = (address: string) => address.split('.').map(Number)
const numberOf = (address: string) => bytesOf(address).reduce((sum, byte) => sum * 256 + byte, 0)
const hex = (value: number, digits = 1) => value.toString(16).padStart(digits, '0')
const tail = (address: string, from: number) =>
  bytesOf(address)
    .slice(from)
    .reduce((sum, byte) => sum * 256 + byte, 0)
const groups = (address: string) => {
  const [a = 0, b = 0, c = 0, d = 0] = bytesOf(address)
  return `${hex(a * 256 + b)}:${hex(c * 256 + d)}`
}

/** Ways in which the host of a URL can name an IPv4 address. */
export const ipv4Spellings: Record<string, Spelling> = {
  plain: (address) => address,
  'a dot at the end': (address) => `${address}.`,
  'one number': (address) => String(numberOf(address)),
  'one hexadecimal number': (address) => `0x${hex(numberOf(address))}`,
  'one octal number': (address) => `0${numberOf(address).toString(8)}`,
  'two parts': (address) => `${bytesOf(address)[0]}.${tail(address, 1)}`,
  'two hexadecimal parts': (address) => `0x${hex(bytesOf(address)[0] ?? 0)}.0x${hex(tail(address, 1))}`,
  'three parts': (address) => `${bytesOf(address).slice(0, 2).join('.')}.${tail(address, 2)}`,
  'hexadecimal parts': (address) =>
    bytesOf(address)
      .map((byte) => `0X${hex(byte, 4)}`)
      .join('.'),
  'octal parts': (address) =>
    bytesOf(address)
      .map((byte) => `00${byte.toString(8)}`)
      .join('.'),
  'parts of several bases': (address) =>
    bytesOf(address)
      .map((byte, index) => (index % 2 === 0 ? `0x${hex(byte)}` : `0${byte.toString(8)}`))
      .join('.'),
  'escaped characters': (address) => address.replace(/./g, (character) => `%${hex(character.charCodeAt(0))}`),
  'wide digits': (address) => address.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  'ideographic dots': (address) => address.replaceAll('.', '。'),
  'mapped into IPv6': (address) => `[::ffff:${address}]`,
  'mapped into IPv6, hexadecimal': (address) => `[::ffff:${groups(address)}]`,
  'mapped into IPv6, in full': (address) => `[0000:0000:0000:0000:0000:FFFF:${groups(address)}]`,
}

/** Ways in which IPv6 addresses lead on to an IPv4 address through a gateway. */
export const gatewaySpellings: Record<string, Spelling> = {
  compatible: (address) => `[::${address}]`,
  translated: (address) => `[::ffff:0:${groups(address)}]`,
  NAT64: (address) => `[64:ff9b::${groups(address)}]`,
  'local NAT64': (address) => `[64:ff9b:1::${groups(address)}]`,
  '6to4': (address) => `[2002:${groups(address)}::1]`,
  Teredo: (address) => `[2001:0:${groups(address)}::1]`,
}
