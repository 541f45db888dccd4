import fc from 'fast-check'
import type { HeaderLine, WireRequest } from '../wire/request.fixture.ts'
import type { SignedNotification } from './notifications.fixture.ts'

/** How a sender may write a notification down; none of it changes what it is. */
type Writing = {
  params: readonly ('algorithm' | 'keyVersion' | 'signature')[]
  algorithm: string | null
  namesVersion: boolean
  encoding: 'upper' | 'lower' | 'bare' | 'padding' | 'all'
  blank: string
  unknownParam: string | null
  contentType: string | null
  names: 'as documented' | 'lower' | 'upper'
  reversed: boolean
  extra: HeaderLine | null
  framing: 'length' | 'chunked'
}

/** What is spoilt on the way; at most one of each kind. */
type Damage =
  | { kind: 'body'; how: 'bit' | 'cut' | 'longer' | 'byte order mark' | 'replaced'; at: number }
  | {
      kind: 'signature'
      how: 'bit' | 'URL-safe' | 'no padding' | 'bad escape' | 'empty' | 'zeros' | 'short'
      at: number
    }
  | { kind: 'time'; text: string | null; at: number }
  | { kind: 'client'; clientId: string }
  | { kind: 'target'; target: string | null; query: string }
  | { kind: 'method'; method: string }
  | { kind: 'version'; version: string }
  | { kind: 'algorithm'; algorithm: string }
  | { kind: 'type'; contentType: string }
  | { kind: 'added'; line: HeaderLine }
  | { kind: 'missing'; header: string }
  | { kind: 'doubled'; header: string }
  | { kind: 'crowded' }

/** Damage of these kinds changes what is signed or its signature: it must never be stored. */
const forging: ReadonlySet<Damage['kind']> = new Set(['body', 'signature', 'time', 'client', 'target'])

export type RequestRecipe = { notification: number; writing: Writing; damages: readonly Damage[] }

const writing: fc.Arbitrary<Writing> = fc.record({
  params: fc.shuffledSubarray(['algorithm', 'keyVersion', 'signature'], { minLength: 3 }),
  algorithm: fc.constantFrom('RSA256', 'RSA256', 'rsa256', 'Rsa256', null),
  namesVersion: fc.boolean(),
  encoding: fc.constantFrom('upper', 'lower', 'bare', 'padding', 'all'),
  blank: fc.constantFrom('', '', ' ', '  ', '\t'),
  unknownParam: fc.constantFrom(null, null, 'x=1', 'nonce=a=b='),
  contentType: fc.constantFrom(
    'application/json',
    'application/json; charset=UTF-8',
    'application/json;charset=utf-8',
    'Application/JSON; Charset="utf-8"',
    null,
  ),
  names: fc.constantFrom('as documented', 'lower', 'upper'),
  reversed: fc.boolean(),
  extra: fc.option(
    fc.constantFrom<HeaderLine>(
      ['Agent-Token', 'a.b.c'],
      ['tracerid', '0a1b'],
      ['Key-Version', '9'],
      ['X-sdkVersion', '2'],
      ['Encrypt', ''],
      ['Content-Encoding', 'identity'],
      ['Accept-Encoding', 'gzip'],
    ),
  ),
  framing: fc.constantFrom('length', 'length', 'chunked'),
})

const at = fc.nat({ max: 1_000_000 })
const requiredHeader = fc.constantFrom('client-id', 'request-time', 'signature')
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({
    kind: fc.constant('body'),
    how: fc.constantFrom('bit', 'bit', 'cut', 'longer', 'byte order mark', 'replaced'),
    at,
  }),
  fc.record({
    kind: fc.constant('signature'),
    how: fc.constantFrom('bit', 'bit', 'URL-safe', 'no padding', 'bad escape', 'empty', 'zeros', 'short'),
    at,
  }),
  fc.record({
    kind: fc.constant('time'),
    text: fc.constantFrom(
      null,
      null,
      '',
      'now',
      '2023-02-29T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '1685599933871',
      '2024-02-29T00:00:00Z',
    ),
    at,
  }),
  fc.record({
    kind: fc.constant('client'),
    clientId: fc.constantFrom(
      'T_111222333',
      'SANDBOX_5X00000000000001',
      'SANDBOX_5X00000000000004',
      't_111222333',
      'T_1',
      '',
      '__proto__',
    ),
  }),
  fc.record({
    kind: fc.constant('target'),
    target: fc.constantFrom(
      null,
      '/notify/registration',
      '/notify/second',
      '/ams/notify',
      '/any/notify',
      '/',
      '/notify//registration',
      '/notify/registration/',
      '/x',
    ),
    query: fc.constantFrom('', '?y=2'),
  }),
  fc.record({
    kind: fc.constant('method'),
    method: fc.constantFrom('GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
  }),
  fc.record({
    kind: fc.constant('version'),
    version: fc.constantFrom('0', '1', '2', '3', '4', '99', '', 'one', '-1'),
  }),
  fc.record({
    kind: fc.constant('algorithm'),
    algorithm: fc.constantFrom('RSA1', 'RSA512', 'ECC224', 'none', ''),
  }),
  fc.record({
    kind: fc.constant('type'),
    contentType: fc.constantFrom(
      'text/plain',
      'application/xml',
      'application/json; charset=GBK',
      'application/x-www-form-urlencoded',
    ),
  }),
  fc.record({
    kind: fc.constant('added'),
    line: fc.constantFrom<HeaderLine>(['Content-Encoding', 'gzip'], ['Encrypt', 'algorithm=RSA_AES']),
  }),
  fc.record({ kind: fc.constant('missing'), header: requiredHeader }),
  fc.record({ kind: fc.constant('doubled'), header: requiredHeader }),
  fc.record({ kind: fc.constant('crowded') }),
)

/** More than half of all requests are as they were signed. */
export const requestRecipe = ({ notifications }: { notifications: number }): fc.Arbitrary<RequestRecipe> =>
  fc.record({
    notification: fc.nat({ max: notifications - 1 }),
    writing,
    damages: fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 3, arbitrary: damage.map((one) => [one]) },
      {
        weight: 1,
        arbitrary: fc.uniqueArray(damage, { minLength: 2, maxLength: 3, selector: ({ kind }) => kind }),
      },
    ),
  })

/** Whether a request can no longer be what its sender signed. */
export const isForged = ({ damages }: RequestRecipe): boolean => damages.some(({ kind }) => forging.has(kind))

/** Writes a notification down, damages included. */
export function writeRequest(
  { writing, damages }: RequestRecipe,
  notification: SignedNotification,
): WireRequest {
  const { message, client } = notification
  const find = <K extends Damage['kind']>(kind: K) =>
    damages.find((one): one is Extract<Damage, { kind: K }> => one.kind === kind)
  const contentType = find('type')?.contentType ?? writing.contentType
  const lines: HeaderLine[] = [
    ['Host', 'ingress.example'],
    ['Client-Id', otherThan(client.clientId, find('client')?.clientId)],
    ['Request-Time', damagedTime(message.time, find('time'))],
    [
      'Signature',
      signatureHeader(notification, writing, {
        signature: find('signature'),
        version: find('version'),
        algorithm: find('algorithm'),
      }),
    ],
    ...(contentType === null ? [] : ([['Content-Type', contentType]] satisfies HeaderLine[])),
    ...(writing.extra === null ? [] : [writing.extra]),
    ...damages.flatMap((one) => (one.kind === 'added' ? [one.line] : [])),
  ]
  const kept = lines
    .filter(([name]) => name.toLowerCase() !== find('missing')?.header)
    .flatMap((line) => (line[0].toLowerCase() === find('doubled')?.header ? [line, line] : [line]))
    .map(([name, value]): HeaderLine => [inLetters(name, writing.names), value])
  const crowd =
    find('crowded') === undefined
      ? []
      : Array.from({ length: 64 }, (_, index): HeaderLine => [`X-${index}`, ''])
  return {
    method: find('method')?.method ?? 'POST',
    target: damagedTarget(message.uri, find('target')),
    version: '1.1',
    headers: [...(writing.reversed ? kept.toReversed() : kept), ...crowd],
    body: damagedBody(message.body, find('body')),
    framing: writing.framing,
  }
}

function inLetters(name: string, letters: Writing['names']): string {
  if (letters === 'as documented') return name
  return letters === 'lower' ? name.toLowerCase() : name.toUpperCase()
}

const otherThan = (genuine: string, wanted: string | undefined) =>
  wanted === genuine ? `${wanted}1` : (wanted ?? genuine)

function flippedBit(bytes: Buffer, position: number): Buffer {
  const copy = Buffer.from(bytes)
  const index = position % copy.length
  copy[index] = (copy[index] ?? 0) ^ (1 << (position % 8))
  return copy
}

type How<K extends 'body' | 'signature'> = Extract<Damage, { kind: K }>['how']

const bodies: Readonly<Record<How<'body'>, (body: Buffer, position: number) => Buffer>> = {
  bit: flippedBit,
  cut: (body, position) => body.subarray(0, position % body.length),
  longer: (body, position) => Buffer.concat([body, Buffer.from(position % 2 === 0 ? ' ' : '}')]),
  'byte order mark': (body) => Buffer.concat([Buffer.from('\ufeff'), body]),
  replaced: (_, position) => Buffer.from(`{"referenceMerchantId":"F${position}"}`),
}

function damagedBody(body: Buffer, given: Extract<Damage, { kind: 'body' }> | undefined): Buffer {
  if (given === undefined) return body
  return body.length === 0 ? Buffer.from('x') : bodies[given.how](body, given.at)
}

function damagedTime(time: string, given: Extract<Damage, { kind: 'time' }> | undefined): string {
  if (given === undefined) return time
  if (given.text !== null && given.text !== time) return given.text
  const index = given.at % time.length
  const letter = time.charAt(index)
  const other = /[0-9]/.test(letter) ? String((Number(letter) + 1) % 10) : 'x'
  return `${time.slice(0, index)}${other}${time.slice(index + 1)}`
}

function damagedTarget(uri: string, given: Extract<Damage, { kind: 'target' }> | undefined): string {
  if (given === undefined) return uri
  const target = `${given.target ?? uri.replace(/\?.*/, '')}${given.query}`
  return target === uri ? `${uri.replace(/\?.*/, '')}?z=3` : target
}

function signatureHeader(
  { client, version, signature }: SignedNotification,
  writing: Writing,
  damages: {
    signature: Extract<Damage, { kind: 'signature' }> | undefined
    version: Extract<Damage, { kind: 'version' }> | undefined
    algorithm: Extract<Damage, { kind: 'algorithm' }> | undefined
  },
): string {
  // Only the newest key may go without its name.
  const isNamed = writing.namesVersion || version !== client.newestVersion
  const named = damages.version?.version ?? (isNamed ? version : null)
  const algorithm = damages.algorithm?.algorithm ?? writing.algorithm
  const values = {
    algorithm: algorithm === null ? null : `algorithm=${algorithm}`,
    keyVersion: named === null ? null : `keyVersion=${named}`,
    signature: `signature=${signatureText(signature, writing.encoding, damages.signature)}`,
  }
  const params = [writing.unknownParam, ...writing.params.map((param) => values[param])]
  return params.filter((param) => param !== null).join(`,${writing.blank}`)
}

function signatureText(
  signature: Buffer,
  encoding: Writing['encoding'],
  given: Extract<Damage, { kind: 'signature' }> | undefined,
): string {
  const encode = encodings[encoding]
  if (given === undefined) return encode(signature.toString('base64'))
  return signatures[given.how]({ signature, position: given.at, encode })
}

type Spoilt = { signature: Buffer; position: number; encode: (base64: string) => string }

const signatures: Readonly<Record<How<'signature'>, (given: Spoilt) => string>> = {
  bit: ({ signature, position, encode }) => encode(flippedBit(signature, position).toString('base64')),
  short: ({ signature, position, encode }) =>
    encode(signature.subarray(0, position % 256).toString('base64')),
  zeros: ({ encode }) => encode(Buffer.alloc(256).toString('base64')),
  'URL-safe': ({ signature }) => `-_${signature.toString('base64').slice(2)}`,
  'no padding': ({ signature }) => signature.toString('base64').replaceAll('=', ''),
  'bad escape': ({ signature }) => `${signature.toString('base64').slice(0, 8)}%z`,
  empty: () => '',
}

const escaped = (letter: string) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`

const encodings: Readonly<Record<Writing['encoding'], (base64: string) => string>> = {
  upper: encodeURIComponent,
  lower: (base64) => base64.replaceAll(/[+/=]/g, escaped),
  bare: (base64) => base64,
  padding: (base64) => base64.replaceAll('=', escaped),
  all: (base64) => base64.replaceAll(/./g, escaped),
}
