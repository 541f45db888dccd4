import {
  constants,
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { messageBytes, signMessage, type SignedMessage } from '../answers.fixture.ts'
import { type Clients, createRsaKey } from '../clients.fixture.ts'
import { type Change, type Forgery, type Original, wireOf } from './original.fixture.ts'
import { signBlock, wrongBlocks } from './rsa-blocks.fixture.ts'

type Named = readonly [name: string, change: Change]

/** Everything that a forger may try with genuine notifications in hand, and faults that a lax verifier forgives. */
export async function createForgeries(originals: readonly Original[], clients: Clients): Promise<Forgery[]> {
  const keys = await foreignKeys(clients)
  return await Promise.all(
    originals.map(async (original, index) => {
      const other = originals[(index + 1) % originals.length] ?? original
      const genuineKey = keyOf(original)
      const changes: readonly Named[] = [
        ...otherSchemes(original, genuineKey),
        ...(await otherKeys(original, keys)),
        ...wrongNumbers(original, other, genuineKey),
        ...wrongTexts(original),
        ...flippedBits(original),
        ...movedBoundaries(original),
        ...otherTargets(original, clients),
        ...otherBodies(original, other),
        ...otherTimes(original),
        ...otherClients(original, clients),
        ...(await otherSignedTexts(original, genuineKey)),
        ...smuggledHeaders(original, other),
      ]
      return changes.map(([name, change]) => ({
        name: `${original.name}: ${name}`,
        request: wireOf(original, change),
      }))
    }),
  ).then((lists) => lists.flat())
}

function keyOf({ client, version }: Original): KeyObject {
  const key = client.alipayKeys.get(version)
  if (key === undefined) throw new Error(`no key ${version}`)
  return key.privateKey
}

/** The right key and the right text, but not RSASSA-PKCS1-v1_5 with SHA-256. */
function otherSchemes({ message, client, version }: Original, key: KeyObject): Named[] {
  const text = messageBytes(message)
  const hashes = ['sha1', 'sha224', 'sha384', 'sha512', 'sha512-256', 'sha3-256', 'md5', 'ripemd160']
  const salts = {
    none: 0,
    'of the digest': constants.RSA_PSS_SALTLEN_DIGEST,
    greatest: constants.RSA_PSS_SALTLEN_MAX_SIGN,
  }
  const publicKey = createPublicKey(client.alipayKeys.get(version)?.privateKey ?? key)
  const secrets = {
    DER: publicKey.export({ type: 'spki', format: 'der' }),
    'PKCS#1': publicKey.export({ type: 'pkcs1', format: 'der' }),
    PEM: Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })),
    base64: Buffer.from(publicKey.export({ type: 'spki', format: 'der' }).toString('base64')),
  }
  return [
    ...hashes.map((hash): Named => [`signed with ${hash}`, { signature: sign(hash, text, key) }]),
    ...['RSA1', 'RSA512', 'SHA1withRSA'].map(
      (algorithm): Named => [
        `signed with SHA-1 and called ${algorithm}`,
        { algorithm, signature: sign('sha1', text, key) },
      ],
    ),
    ...['none', 'NONE', 'HS256', 'PS256', 'ECC224', 'RSA', ''].map(
      (algorithm): Named => [`the genuine signature called "${algorithm}"`, { algorithm }],
    ),
    ['no signature, called none', { algorithm: 'none', signature: '' }],
    ...Object.entries(salts).map(
      ([salt, saltLength]): Named => [
        `PSS, salt ${salt}`,
        { signature: sign('sha256', text, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }) },
      ],
    ),
    ...Object.entries(secrets).flatMap(([form, secret]): Named[] => {
      const mac = createHmac('sha256', secret).update(text).digest()
      return [
        [`HMAC under the public key as ${form}`, { signature: mac }],
        [
          `HMAC under the public key as ${form}, filled to the length`,
          { signature: Buffer.concat([Buffer.alloc(224), mac]) },
        ],
      ]
    }),
    ['the digest itself', { signature: createHash('sha256').update(text).digest() }],
    ...wrongBlocks(text).map(
      ([name, block]): Named => [`signed block: ${name}`, { signature: signBlock(block, key) }],
    ),
  ]
}

type ForeignKeys = {
  attacker: KeyObject
  short: KeyObject
  long: KeyObject
  elliptic: KeyObject
  edwards: KeyObject
  clients: Clients
}

async function foreignKeys(clients: Clients): Promise<ForeignKeys> {
  return {
    attacker: (await createRsaKey()).privateKey,
    short: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    long: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
    elliptic: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    edwards: generateKeyPairSync('ed25519').privateKey,
    clients,
  }
}

/** The right text under a key that is not the sender's. */
async function otherKeys({ message, client, version }: Original, keys: ForeignKeys): Promise<Named[]> {
  const text = messageBytes(message)
  const named: [string, KeyObject][] = [
    ['a key of the attacker', keys.attacker],
    ['a key of 1024 bits', keys.short],
    ['a key of 3072 bits', keys.long],
  ]
  for (const other of Object.values(keys.clients)) {
    for (const [otherVersion, { privateKey }] of other.ownKeys) {
      named.push([`our key ${otherVersion} for ${other.clientId}`, privateKey])
    }
    for (const [otherVersion, { privateKey, state }] of other.alipayKeys) {
      // A client that takes any version takes all of its own active keys.
      const isItsOwn =
        other === client && (otherVersion === version || (client.anyKeyVersion && state === 'active'))
      if (!isItsOwn) named.push([`the ${state} key ${otherVersion} of ${other.clientId}`, privateKey])
    }
  }
  const signed = named.map(
    async ([name, key]): Promise<Named> => [name, { signature: await signMessage(message, key) }],
  )
  return [
    ...(await Promise.all(signed)),
    ['an elliptic key', { signature: sign('sha256', text, keys.elliptic) }],
    ['an Edwards key', { signature: sign(null, text, keys.edwards) }],
  ]
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function bytesOf(number: bigint): Buffer {
  const hex = number.toString(16)
  return Buffer.from(hex.padStart(Math.max(512, hex.length + (hex.length % 2)), '0'), 'hex')
}

/** Signatures that are no signature, or the genuine number in another form. */
function wrongNumbers({ signature }: Original, other: Original, key: KeyObject): Named[] {
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  const n = numberOf(Buffer.from(String(jwk.n), 'base64url'))
  const s = numberOf(signature)
  const zero = Buffer.from([0])
  return [
    ['the signature of another notification', { signature: other.signature }],
    ['256 bytes of 00', { signature: Buffer.alloc(256) }],
    ['256 bytes of FF', { signature: Buffer.alloc(256, 0xff) }],
    ['the number 1', { signature: bytesOf(1n) }],
    ['the number 2', { signature: bytesOf(2n) }],
    ['the modulus less one', { signature: bytesOf(n - 1n) }],
    ['the modulus', { signature: bytesOf(n) }],
    ['the modulus and one', { signature: bytesOf(n + 1n) }],
    ['the signature and the modulus', { signature: bytesOf(s + n) }],
    ['the signature and twice the modulus', { signature: bytesOf(s + 2n * n) }],
    ['the modulus less the signature', { signature: bytesOf(n - s) }],
    ['the square of the signature', { signature: bytesOf((s * s) % n) }],
    ['a zero in front of the signature', { signature: Buffer.concat([zero, signature]) }],
    ['a zero behind the signature', { signature: Buffer.concat([signature, zero]) }],
    ['the signature without its first byte', { signature: signature.subarray(1) }],
    ['the signature without its last byte', { signature: signature.subarray(0, -1) }],
    ['the signature twice', { signature: Buffer.concat([signature, signature]) }],
    ['the signature in reverse', { signature: Buffer.from(signature.toReversed()) }],
    [
      'the halves of the signature exchanged',
      { signature: Buffer.concat([signature.subarray(128), signature.subarray(0, 128)]) },
    ],
    ['the signature shifted by a byte', { signature: Buffer.concat([zero, signature.subarray(0, -1)]) }],
    ['a signature of one byte', { signature: zero }],
    [
      'a signature of 512 random-looking bytes',
      { signature: createHash('shake256', { outputLength: 512 }).update(signature).digest() },
    ],
  ]
}

/** Texts of a signature that a lax decoder would read as the genuine one, or as none. */
function wrongTexts({ signature }: Original): Named[] {
  const base64 = signature.toString('base64')
  return [
    ['an empty signature', { signature: '' }],
    ['a blank as signature', { signature: ' ' }],
    ['null as signature', { signature: 'null' }],
    ['true as signature', { signature: 'true' }],
    ['padding as signature', { signature: '====' }],
    ['the signature in hexadecimal', { signature: signature.toString('hex') }],
    ['the signature in URL-safe letters', { signature: signature.toString('base64url') }],
    ['junk in the middle of the text', { signature: `${base64.slice(0, 8)}!!!!${base64.slice(8)}` }],
    ['the text encoded twice', { signature: encodeURIComponent(encodeURIComponent(base64)) }],
    ['the text in quotes', { signature: `"${base64}"` }],
    ['base64 of base64', { signature: Buffer.from(base64).toString('base64') }],
    ['an escaped NUL behind the text', { signature: `${base64}%00` }],
  ]
}

/** As many positions, spread over so many bytes. */
function positions(bytes: number, count: number): number[] {
  const spread = Array.from({ length: count }, (_, index) => Math.floor((index * (bytes - 1)) / (count - 1)))
  return [...new Set(spread)]
}

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return copy
}

function flippedBits({ message, signature }: Original): Named[] {
  return [
    ...positions(signature.length, 16).map(
      (at): Named => [
        `bit ${at % 8} of byte ${at} of the signature flipped`,
        { signature: flipped(signature, at, at % 8) },
      ],
    ),
    ...positions(message.body.length, 16).map(
      (at): Named => [
        `bit ${at % 8} of byte ${at} of the body flipped`,
        { body: flipped(message.body, at, at % 8) },
      ],
    ),
    // Without its leading slash a target would not be HTTP.
    ...positions(message.uri.length, 8)
      .slice(1)
      .map((at): Named => [`letter ${at} of the target changed`, { uri: replacedAt(message.uri, at) }]),
    ...positions(message.clientId.length, 8).map(
      (at): Named => [
        `letter ${at} of the client id changed`,
        { clientId: replacedAt(message.clientId, at) },
      ],
    ),
    ...positions(message.time.length, 24).map(
      (at): Named => [`letter ${at} of the time changed`, { time: replacedAt(message.time, at) }],
    ),
  ]
}

/** Another letter of the same kind, so that what is changed stays as well formed as it can. */
function replacedAt(text: string, at: number): string {
  const letter = text[at] ?? ''
  const other = /[0-9]/.test(letter) ? String((Number(letter) + 1) % 10) : letter === 'x' ? 'y' : 'x'
  return `${text.slice(0, at)}${other}${text.slice(at + 1)}`
}

/** The same signed bytes, cut into client, time and body at other dots. */
function movedBoundaries({ message: { clientId, time, body } }: Original): Named[] {
  const dot = time.indexOf('.')
  const bodyDot = body.indexOf('.')
  return [
    ['the boundary moved to before the time', { clientId: `${clientId}.${time}`, time: '' }],
    ['the client id moved into the time', { clientId: '', time: `${clientId}.${time}` }],
    ['the time moved into the body', { time: '', body: Buffer.concat([Buffer.from(`${time}.`), body]) }],
    [
      'the body moved into the time',
      { time: `${time}.${body.toString('latin1').replaceAll(/[\r\n]/g, ' ')}`, body: Buffer.alloc(0) },
    ],
    ...(dot < 0
      ? []
      : ([
          [
            'the time cut at its own dot, towards the client',
            { clientId: `${clientId}.${time.slice(0, dot)}`, time: time.slice(dot + 1) },
          ],
          [
            'the time cut at its own dot, towards the body',
            { time: time.slice(0, dot), body: Buffer.concat([Buffer.from(`${time.slice(dot + 1)}.`), body]) },
          ],
        ] satisfies Named[])),
    ...(bodyDot < 0
      ? []
      : ([
          [
            'the body cut at a dot of its own',
            { time: `${time}.${body.toString('latin1', 0, bodyDot)}`, body: body.subarray(bodyDot + 1) },
          ],
        ] satisfies Named[])),
  ]
}

function otherTargets({ message: { uri }, client }: Original, clients: Clients): Named[] {
  const path = uri.replace(/\?.*/, '')
  const withoutQuery =
    path === uri
      ? []
      : ([
          ['the query left out', { uri: path }],
          ['the query in another order', { uri: `${path}?v=1&env=prod` }],
          ['the query with another value', { uri: `${path}?env=test&v=1` }],
        ] satisfies Named[])
  const others = [...new Set(Object.values(clients).flatMap(({ paths }) => paths))].filter(
    (other) => other !== path,
  )
  return [
    ...others.map(
      (other): Named => [
        `sent to ${other}${client.paths.includes(other) ? ', its own too' : ''}`,
        { uri: other },
      ],
    ),
    ...withoutQuery,
    ['a query added', { uri: `${uri}${uri.includes('?') ? '&' : '?'}x=1` }],
    ['a question mark added', { uri: `${uri}?` }],
    ['the first letter of the path escaped', { uri: `/%${uri.charCodeAt(1).toString(16)}${uri.slice(2)}` }],
    ['a slash doubled', { uri: `/${uri}` }],
    ['a slash behind the path', { uri: uri.replace(path, `${path}/`) }],
    ['a dot segment in the path', { uri: `/.${uri}` }],
    ['the target with a host', { uri: `http://ingress.example${uri}` }],
    ['the path in capitals', { uri: uri.toUpperCase() }],
  ]
}

function otherBodies({ message: { body } }: Original, other: Original): Named[] {
  const text = body.toString('utf8')
  const bodies: [string, Buffer | string][] = [
    ['the body of another notification', other.message.body],
    ['an empty body', ''],
    ['an empty object', '{}'],
    ['a byte cut off the end', body.subarray(0, -1)],
    ['a byte cut off the front', body.subarray(1)],
    ['half of the body', body.subarray(0, body.length / 2)],
    ['a blank behind the body', `${text} `],
    ['a blank before the body', ` ${text}`],
    ['a line feed behind the body', `${text}\n`],
    ['a CR LF behind the body', `${text}\r\n`],
    ['a NUL behind the body', `${text}\0`],
    ['a brace behind the body', `${text}}`],
    ['a byte order mark before the body', `\ufeff${text}`],
    ['the body twice', text + text],
    ['the body in UTF-16', Buffer.from(text, 'utf16le')],
    ['the body compressed', gzipSync(body)],
    ['a blank after every colon', text.replaceAll('":', '": ')],
    [
      'every line end exchanged',
      text.includes('\r\n') ? text.replaceAll('\r\n', '\n') : text.replaceAll(',', ',\n'),
    ],
    ['a letter written as an escape', text.replace('r', '\\u0072')],
    ['the merchant exchanged', text.replace(/"M[^"]*"/, '"M-of-the-forger"')],
    ['a member added', text.replace('{', '{"x":1,')],
    ['the merchant a second time', text.replace('{', '{"referenceMerchantId":"M-of-the-forger",')],
    ['the body in capitals', text.toUpperCase()],
  ]
  return bodies.map(([name, content]): Named => [name, { body: Buffer.from(content) }])
}

function otherTimes({ message: { time } }: Original): Named[] {
  const ms = /^\d{13}$/.test(time) ? Number(time) : Date.parse(time)
  const times: [string, string][] = [
    ['a fresh time', String(Date.now())],
    ['a fresh time in ISO form', new Date().toISOString()],
    ['the same moment in UTC', new Date(ms).toISOString()],
    ['the same moment in milliseconds', String(ms)],
    ['a millisecond later', String(ms + 1)],
    ['the same moment without colon in the offset', `${new Date(ms).toISOString().slice(0, -1)}+0000`],
    ['the same moment with six digits', new Date(ms).toISOString().replace('Z', '000Z')],
    ['no time', ''],
  ]
  return times.filter(([, text]) => text !== time).map(([name, text]): Named => [name, { time: text }])
}

function otherClients({ message: { clientId } }: Original, clients: Clients): Named[] {
  const known = Object.values(clients).map((client) => client.clientId)
  const ids = [...known, clientId.toLowerCase(), `${clientId}0`, clientId.slice(0, -1), '*', '']
  return ids
    .filter((id) => id !== clientId)
    .map((id): Named => [`under the client id "${id}"`, { clientId: id }])
}

/** The right key over a text that is not quite the one of the protocol. */
async function otherSignedTexts({ message, client }: Original, key: KeyObject): Promise<Named[]> {
  const { uri, clientId, time, body } = message
  const text = messageBytes(message).toString('latin1')
  const replay = (signed: Partial<SignedMessage>) =>
    messageBytes({ ...message, ...signed }).toString('latin1')
  const texts: [string, string][] = [
    ['signed for an inquiry', replay({ uri: '/aps/api/v1/merchants/inquiryRegistrationStatus' })],
    ['signed for a registration', replay({ uri: '/ams/api/v1/merchants/registration' })],
    ['signed for the host and the path', replay({ uri: `https://ingress.example${uri}` })],
    ['signed without the path', replay({ uri: '' })],
    ['signed for GET', text.replace('POST', 'GET')],
    ['signed for post in small letters', text.replace('POST', 'post')],
    ['signed without the method', text.replace('POST ', '')],
    ['signed without the first line', text.slice(text.indexOf('\n') + 1)],
    ['signed with CR LF', text.replace('\n', '\r\n')],
    ['signed with two blanks', text.replace('POST ', 'POST  ')],
    ['signed without dots', `POST ${uri}\n${clientId}${time}${body.toString('latin1')}`],
    ['signed with other separators', `POST ${uri}\n${clientId}:${time}:${body.toString('latin1')}`],
    ['signed in another order', `POST ${uri}\n${time}.${clientId}.${body.toString('latin1')}`],
    ['signed with a line feed behind', `${text}\n`],
    ['signed without the body', replay({ body: Buffer.alloc(0) })],
    ['signed without the time', replay({ time: '' })],
    ['signed without the client', replay({ clientId: '' })],
    ['signed over the body alone', body.toString('latin1')],
    ['signed over the digest of the body', replay({ body: createHash('sha256').update(body).digest() })],
    ['signed over the body in base64', replay({ body: Buffer.from(body.toString('base64')) })],
    ['signed for another client', replay({ clientId: `${client.clientId}0` })],
    ['an empty text signed', ''],
  ]
  return texts.map(
    ([name, signed]): Named => [name, { signature: sign('sha256', Buffer.from(signed, 'latin1'), key) }],
  )
}

/** A genuine header beside a false one, so that two readers may see two requests. */
function smuggledHeaders(original: Original, other: Original): Named[] {
  const falseBody = Buffer.from('{"referenceMerchantId":"M-of-the-forger"}')
  const genuine = wireOf(original).headers
  const foreign = wireOf(other).headers
  const doubled = (name: string): Named[] => [
    [
      `${name} twice, the genuine one first`,
      { body: falseBody, headers: (lines) => [...lines, ...foreign.filter(([given]) => given === name)] },
    ],
    [
      `${name} twice, the genuine one last`,
      { body: falseBody, headers: (lines) => [...foreign.filter(([given]) => given === name), ...lines] },
    ],
  ]
  return [
    ...['Client-Id', 'Request-Time', 'Signature'].flatMap(doubled),
    [
      'a genuine message in the headers of another client',
      {
        headers: (lines) =>
          lines.map((line) =>
            line[0] === 'Client-Id'
              ? ['Client-Id', `${other.message.clientId}, ${original.message.clientId}`]
              : line,
          ),
      },
    ],
    [
      'the genuine target in a header',
      {
        uri: '/notify/other',
        headers: (lines) => [
          ...lines,
          ['X-Original-URL', original.message.uri],
          ['X-Rewrite-URL', original.message.uri],
        ],
      },
    ],
    [
      'the genuine client id in a header of another name',
      {
        clientId: 'T_0',
        headers: (lines) => [
          ...lines,
          ['X-Client-Id', original.message.clientId],
          ['Client_Id', original.message.clientId],
        ],
      },
    ],
    [
      'the genuine headers under names with underscores',
      { headers: () => genuine.map(([name, value]) => [name.replace('-', '_'), value]) },
    ],
  ]
}
