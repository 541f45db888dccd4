import { constants, createHash, generateKeyPairSync, privateEncrypt, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { diagnose } from './diagnose.ts'
import { type Hints, type Part, protocolMessage, variantsOf } from './variants.ts'

const alipay = generateKeyPairSync('rsa', { modulusLength: 2048 })
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = { key: alipay.publicKey }

const body = '{\n  "referenceMerchantId": "M/1",\n  "name": "Café",\n  "list": [1, 2]\n}\n'
const received = {
  uri: '/pay/notify?a=1',
  clientId: 'T_1',
  time: '2019-07-12T12:08:56.253+05:30',
  body: Buffer.from(body),
}
const hints: Hints = {
  method: 'POST',
  hosts: ['pay.example.com:8443'],
  uris: ['/edge/notify?a=1'],
  paths: ['/notify', '/public/pay/notify'],
  clientIds: ['T_1', 'T_2'],
}

/** What is found out about a signature over this text, while the message above is what was received. */
function diagnosed(text: string | Uint8Array, parts: Partial<typeof received> = {}) {
  const signature = sign('sha256', Buffer.from(text), alipay.privateKey)
  return diagnose({ parts: { ...received, ...parts }, signature, keys: [key], hints })
}

const textOf = (changed: Partial<Record<'uri' | 'clientId' | 'time' | 'body', string>>) => {
  const { uri, clientId, time, body: text } = { ...received, body, ...changed }
  return `POST ${uri}\n${clientId}.${time}.${text}`
}

const instant = String(Date.parse(received.time))
const bom = '\uFEFF'
const compact = '{"referenceMerchantId":"M/1","name":"Café","list":[1,2]}'

describe('one part that differs is named', () => {
  test.each<[Part, string, string]>([
    ['uri', "'/pay/notify' without the query '?a=1'", textOf({ uri: '/pay/notify' })],
    [
      'uri',
      "'https://pay.example.com:8443/pay/notify?a=1' with 'https://pay.example.com:8443' in front",
      textOf({ uri: 'https://pay.example.com:8443/pay/notify?a=1' }),
    ],
    ['uri', "'/public/pay/notify?a=1' with '/public' in front", textOf({ uri: '/public/pay/notify?a=1' })],
    ['uri', "'/notify' which is a configured path, without the query '?a=1'", textOf({ uri: '/notify' })],
    ['uri', "'/edge/notify?a=1' which a proxy tells to be the original", textOf({ uri: '/edge/notify?a=1' })],
    ['uri', "'/pay/notify/?a=1' with a slash at its end", textOf({ uri: '/pay/notify/?a=1' })],
    [
      'uri',
      "'/aps/api/v1/merchants/notifyRegistrationStatus' which is the path of Alipay's own API",
      textOf({ uri: '/aps/api/v1/merchants/notifyRegistrationStatus' }),
    ],
    ['uri', 'nothing at all', textOf({ uri: '' })],
    ['client id', "'t_1' in lower case", textOf({ clientId: 't_1' })],
    ['client id', "'T_2' which is another client", textOf({ clientId: 'T_2' })],
    ['client id', "'null' where the sender has no value", textOf({ clientId: 'null' })],
    ['time', 'nothing at all, as if there were no Request-Time', textOf({ time: '' })],
    ['time', `'${instant}' which is the same instant in another form`, textOf({ time: instant })],
    [
      'time',
      "'2019-07-12T06:38:56Z' which is the same instant in another form",
      textOf({ time: '2019-07-12T06:38:56Z' }),
    ],
    [
      'time',
      "'2019-07-12T12:08:56.253+0530' which is the same instant in another form",
      textOf({ time: '2019-07-12T12:08:56.253+0530' }),
    ],
    [
      'time',
      "'2019-07-12T12:08:56.249+05:30' which is 4 ms earlier: its clock is asked twice",
      textOf({ time: '2019-07-12T12:08:56.249+05:30' }),
    ],
    ['body', 'without its final line end', textOf({ body: body.trimEnd() })],
    ['body', 'with a line feed (LF) at its end', textOf({ body: `${body}\n` })],
    ['body', 'with CR LF in place of LF', textOf({ body: body.replaceAll('\n', '\r\n') })],
    [
      'body',
      'with CR LF in place of LF, and none at its end',
      textOf({ body: body.trimEnd().replaceAll('\n', '\r\n') }),
    ],
    ['body', 'with a byte order mark', textOf({ body: bom + body })],
    ['body', 'an empty one', textOf({ body: '' })],
    ['body', "'[object Object]'", textOf({ body: '[object Object]' })],
    ['body', 'without the blanks between its JSON tokens', textOf({ body: compact })],
    [
      'body',
      'the same JSON indented by four blanks',
      textOf({ body: JSON.stringify(JSON.parse(body), null, 4) }),
    ],
    [
      'body',
      'the same JSON with a blank after commas and colons and escaped letters',
      textOf({
        body: String.raw`{"referenceMerchantId": "M/1", "name": "Caf\u00e9", "list": [1, 2]}`,
      }),
    ],
    [
      'body',
      'the same JSON without blanks and with escaped slashes and letters',
      textOf({ body: String.raw`{"referenceMerchantId":"M\/1","name":"Caf\u00e9","list":[1,2]}` }),
    ],
    [
      'body',
      'the same JSON without blanks and with its members sorted',
      textOf({ body: '{"list":[1,2],"name":"Café","referenceMerchantId":"M/1"}' }),
    ],
    ['body', 'read as Latin-1 and written as UTF-8', textOf({ body: body.replace('é', 'Ã©') })],
    ['method', "'post ' in place of 'POST '", textOf({}).replace('POST', 'post')],
    ['method', 'no method at all', textOf({}).replace('POST ', '')],
    ['format', 'CR LF between the two lines', textOf({}).replace('\n', '\r\n')],
    ['format', 'the second line alone', textOf({}).replace(/^.*\n/, '')],
  ])('%s: %s', (part, what, text) => {
    expect(diagnosed(text)).toMatchObject({ kind: 'opened', key, differences: [{ part, what }] })
  })

  test('body: without the byte order mark, and the line ends of an editor undone', () => {
    const withMark = { body: Buffer.from(bom + body.replaceAll('\n', '\r\n')) }
    expect(diagnosed(textOf({ body: body.replaceAll('\n', '\r\n') }), withMark)).toMatchObject({
      differences: [{ part: 'body', what: 'without the byte order mark' }],
    })
    expect(diagnosed(textOf({ body: bom + body }), withMark)).toMatchObject({
      differences: [{ part: 'body', what: 'with LF in place of CR LF' }],
    })
  })
})

test('two parts that differ are found, whichever two they are', () => {
  const variants = variantsOf(received, hints).filter(({ alone }) => alone !== true)
  const original = protocolMessage(received)
  const pairs = variants.flatMap((first, index) =>
    variants.slice(index + 1).flatMap((second) => (second.part === first.part ? [] : [{ first, second }])),
  )
  expect(pairs.length).toBeGreaterThan(3_000)
  // Every 211th is enough to meet all kinds of pairs.
  for (const { first, second } of pairs.filter((_, index) => index % 211 === 0)) {
    const { start, uri, lineEnd, clientId, time, body: bytes } = second.change(first.change(original))
    const head = Buffer.from(`${start}${uri}${lineEnd}${clientId}.${time}.`)
    const found = diagnosed(Buffer.concat([head, bytes]))
    const differences = (found.kind === 'opened' && found.differences) || []
    // Another guess may come to the same text: no client id and no time are alike.
    expect(
      differences.length,
      `${first.part}: ${first.what}; ${second.part}: ${second.what}`,
    ).toBeGreaterThan(0)
  }
  expect(diagnosed(textOf({ uri: '/notify', body: compact }))).toMatchObject({
    differences: [
      { part: 'uri', what: "'/notify' which is a configured path, without the query '?a=1'" },
      { part: 'body', what: 'without the blanks between its JSON tokens' },
    ],
  })
})

test('what nobody guesses is told as such, with both hashes', () => {
  const found = diagnosed(textOf({ body: '{"referenceMerchantId":"M2"}' }))
  expect(found).toMatchObject({ kind: 'opened', key, algorithm: 'sha256', differences: null, complete: true })
  const hashes = found.kind === 'opened' ? [found.signedHash, found.receivedHash] : []
  expect(hashes).toEqual([
    createHash('sha256')
      .update(textOf({ body: '{"referenceMerchantId":"M2"}' }))
      .digest('hex'),
    createHash('sha256').update(textOf({})).digest('hex'),
  ])
})

test('a body of 4 MiB is looked at in bounded time, every guess by itself at least', {
  timeout: 60_000,
}, () => {
  const large = { body: Buffer.from(JSON.stringify({ text: 'x'.repeat(4 * 1024 * 1024) })) }
  expect(diagnosed('another text', large)).toMatchObject({ differences: null, complete: false })
  const { uri, clientId, time } = received
  const text = `POST${uri}\n${clientId}.${time}.${large.body.toString()}`
  expect(diagnosed(text, large)).toMatchObject({ differences: [{ part: 'method' }] })
})

test('no body is too odd to be looked at', () => {
  const bodies = [
    '',
    '[',
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    '{"a":1e999,"__proto__":{}}',
    '"text"',
    '%zz%00',
  ]
  for (const text of bodies) {
    expect(diagnosed('another text', { body: Buffer.from(text) })).toMatchObject({ kind: 'opened' })
  }
  for (let length = 0; length < 64; length += 9) {
    const bytes = createHash('sha512').update(String(length)).digest().subarray(0, length)
    const odd = { body: bytes, uri: bytes.toString('utf8') }
    expect(diagnosed('another text', odd)).toMatchObject({ kind: 'opened', differences: null })
  }
})

test('the key that fits is found among others, and the text it signed too', () => {
  const signature = sign('sha256', Buffer.from(textOf({ time: '' })), alipay.privateKey)
  const keys = [
    { key: stranger.publicKey, name: 'stranger' },
    { ...key, name: 'alipay' },
  ]
  expect(diagnose({ parts: received, signature, keys, hints })).toMatchObject({
    kind: 'opened',
    key: { name: 'alipay' },
    differences: [{ part: 'time' }],
  })
})

test('another hash function is named, and whether the text is right', () => {
  const text = Buffer.from(textOf({}))
  const signature = sign('sha1', text, alipay.privateKey)
  expect(diagnose({ parts: received, signature, keys: [key], hints })).toMatchObject({
    kind: 'opened',
    algorithm: 'sha1',
    differences: [],
  })
})

test('another padding, a bare hash and a foreign key are told apart', () => {
  const text = Buffer.from(textOf({}))
  const made = (signature: Buffer) => diagnose({ parts: received, signature, keys: [key], hints })
  const pss = sign('sha256', text, { key: alipay.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING })
  expect(made(pss)).toEqual({ kind: 'pss', key })
  expect(made(privateEncrypt(alipay.privateKey, Buffer.alloc(32)))).toEqual({
    kind: 'bare',
    key,
    contentBytes: 32,
  })
  expect(made(sign('sha256', text, stranger.privateKey))).toEqual({
    kind: 'no_key',
    tried: 1,
    signatureBytes: 256,
    keyBytes: [256],
  })
})
