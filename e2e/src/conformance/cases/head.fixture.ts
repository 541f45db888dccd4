import {
  type Case,
  alipayPlus,
  ams,
  bothDialects,
  refused,
  refusedUnsigned,
  replacingHeader,
  taken,
  withHeader,
  withoutHeader,
} from './case.fixture.ts'

const goodTypes = [
  'application/json',
  'application/json;charset=UTF-8',
  'application/json; charset=utf-8',
  'application/json; charset="UTF-8"',
  'application/json ; charset=utf-8',
  'APPLICATION/JSON; CHARSET=Utf-8',
  'application/json; charset=utf-8; version=1',
]

const badTypes = [
  'text/plain',
  'text/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/xml',
  'application/jsonp',
  'application/octet-stream',
  'json',
  'application/json; charset=GBK',
  'application/json; charset=ISO-8859-1',
  'application/json; charset=UTF-16',
]

const badEncodings = ['gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'x-unknown']

const otherMethods = ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'NOTIFY']

const unknownPaths = [
  ['a path that nobody has', '/notify/other'],
  ['the root', '/'],
  ['a path that only begins like a configured one', '/notify/registrations'],
  ['a path below a configured one', '/notify/registration/now'],
  ['the beginning of a configured path', '/notify'],
  ['a configured path with a slash at its end', '/notify/registration/'],
  ['a configured path without the slash at its end', '/notify/slash'],
  ['a configured path with two slashes', '/notify//registration'],
  ['a configured path with a slash before it', '//notify/registration'],
  ['a configured path with a dot segment', '/notify/./registration'],
  ['a configured path with a segment taken back', '/notify/x/../registration'],
  ['a configured path with an escaped letter', '/notify/%72egistration'],
  ['a configured path with an escaped slash', '/notify%2Fregistration'],
  ['a configured path in other letters', '/Notify/registration'],
  ['a configured path with other hex letters', '/notify/caf%c3%a9'],
  ['a configured path without its parameter', '/notify/a/b'],
  ['a configured path with a parameter', '/notify/registration;x=1'],
  ['a target of absolute form', 'http://ingress.example/notify/registration'],
] as const

const pathCases = (): Case[] => [
  ...bothDialects(
    unknownPaths.map(([what, target]) => ({
      by: target.includes('..') ? '11-raw-target' : '4.1-never-guess',
      that: `${what} is another path: refused, unsigned`,
      plan: { target },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
    })),
  ),
  ...alipayPlus([
    {
      by: '2-own-path',
      that: 'a second path of the client is taken',
      plan: { target: '/notify/second' },
      ...taken,
    },
    {
      by: '4.1-never-guess',
      that: 'a path with a slash at its end is taken as configured',
      plan: { target: '/notify/slash/' },
      ...taken,
    },
    {
      by: '4.1-never-guess',
      that: 'a path with escapes is taken as configured',
      plan: { target: '/notify/caf%C3%A9' },
      ...taken,
    },
    {
      by: '4.1-never-guess',
      that: 'a path with a parameter is taken as configured',
      plan: { target: '/notify/a;v=1/b' },
      ...taken,
    },
    {
      by: '4.1-signed-text',
      that: 'a notification to one path does not verify on another of the same client',
      plan: { target: '/notify/second', signed: { uri: '/notify/registration' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '6-access-denied',
      that: 'a known client on the path of another is denied, unsigned',
      plan: { target: '/ams/notify' },
      ...refusedUnsigned('ACCESS_DENIED'),
    },
    {
      by: '4.1-public-path',
      that: 'the path is completed by the prefix that the proxy took off',
      plan: { target: '/notify', publicUri: '/public/notify' },
      ...taken,
      on: 'prefixed',
    },
    {
      by: '4.1-public-path',
      that: 'the query stands behind the completed path',
      plan: { target: '/notify?x=1', publicUri: '/public/notify?x=1' },
      ...taken,
      on: 'prefixed',
    },
    {
      by: '4.1-public-path',
      that: 'a signature over the path without the prefix does not verify',
      plan: { target: '/notify', publicUri: '/public/notify', signed: { uri: '/notify' } },
      ...refused('INVALID_SIGNATURE'),
      on: 'prefixed',
    },
    {
      by: '4.1-public-path',
      that: 'the public path itself is another one behind the proxy',
      plan: { target: '/public/notify' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
      on: 'prefixed',
    },
    {
      by: '4.1-public-path',
      that: 'a path configured without the prefix is another one behind the proxy',
      plan: { target: '/notify/registration' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
      on: 'prefixed',
    },
  ]),
  ...ams([
    {
      by: '2-own-path',
      that: 'a second path of the client is taken',
      plan: { target: '/ams/notify' },
      ...taken,
    },
    {
      by: '6-access-denied',
      that: 'a known client on the path of another is denied, unsigned',
      plan: { target: '/notify/second' },
      ...refusedUnsigned('ACCESS_DENIED'),
    },
    {
      by: '4.1-public-path',
      that: 'the path is completed by the prefix that the proxy took off',
      plan: { target: '/ams', publicUri: '/public/ams' },
      ...taken,
      on: 'prefixed',
    },
  ]),
  ...bothDialects([
    {
      by: '4.1-query',
      that: 'a query is part of what is signed, and no part of the path',
      plan: { target: '/notify/registration?env=prod&x=%2Fa%20b' },
      ...taken,
    },
    {
      by: '4.1-query',
      that: 'an empty query is signed with its question mark',
      plan: { target: '/notify/registration?' },
      ...taken,
    },
    {
      by: '4.1-query',
      that: 'a query with further question marks and slashes is signed as it is',
      plan: { target: '/notify/registration?a=/../?&b=//' },
      ...taken,
    },
    {
      by: '4.1-query',
      that: 'a query that was not signed does not verify',
      plan: { target: '/notify/registration?x=1', signed: { uri: '/notify/registration' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.1-query',
      that: 'a signed query that was lost does not verify',
      plan: { target: '/notify/registration', signed: { uri: '/notify/registration?x=1' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.1-query',
      that: 'a query in another order does not verify',
      plan: { target: '/notify/registration?a=1&b=2', signed: { uri: '/notify/registration?b=2&a=1' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '6-no-interface',
      that: 'a wrong path is refused',
      plan: { target: '/elsewhere' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
    },
    {
      by: '6-no-interface',
      that: 'the target * of OPTIONS is a wrong path',
      plan: { target: '*', method: 'OPTIONS' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
    },
  ]),
]

const mediaCases = (): Case[] => [
  ...bothDialects([
    ...goodTypes.map((type) => ({
      by: '3.1-content-type-optional' as const,
      that: `${type} is JSON`,
      plan: replacingHeader('content-type', type),
      ...taken,
    })),
    {
      by: '3.1-content-type-optional',
      that: 'a request without Content-Type is taken',
      plan: withoutHeader('content-type'),
      ...taken,
    },
  ]),
  ...alipayPlus([
    ...badTypes.map((type) => ({
      by: '6-media-type' as const,
      that: `${type} is refused`,
      plan: replacingHeader('content-type', type),
      ...refused('MEDIA_TYPE_NOT_ACCEPTABLE'),
    })),
    ...badEncodings.map((encoding) => ({
      by: 'r-never-inflate' as const,
      that: `Content-Encoding ${encoding} is refused, whatever the body is`,
      plan: withHeader('Content-Encoding', encoding),
      ...refused('MEDIA_TYPE_NOT_ACCEPTABLE'),
    })),
    {
      by: 'r-never-inflate',
      that: 'Content-Encoding identity is no encoding',
      plan: withHeader('Content-Encoding', 'identity'),
      ...taken,
    },
    {
      by: '4.4-not-covered',
      that: 'a type that is not signed refuses, and never repairs a bad signature',
      plan: {
        ...replacingHeader('content-type', 'application/json; charset=utf-8'),
        signed: { body: Buffer.from('x') },
      },
      ...refused('INVALID_SIGNATURE'),
    },
  ]),
]

const methodCases = (): Case[] => [
  ...alipayPlus(
    otherMethods.map((method) => ({
      by: '6-method' as const,
      that: `${method} is refused`,
      plan: { method },
      ...refused('METHOD_NOT_SUPPORTED'),
    })),
  ),
  ...ams([
    {
      by: '6-method',
      that: 'GET without a body is refused',
      plan: { method: 'GET', body: '', framing: 'none' },
      ...refused('METHOD_NOT_SUPPORTED'),
    },
    {
      by: '6-method',
      that: 'HEAD is refused, in an answer without body',
      plan: { method: 'HEAD' },
      ...refused('METHOD_NOT_SUPPORTED'),
    },
    {
      by: '6-method',
      that: 'a method of another name in a header grants nothing',
      plan: { method: 'GET', ...withHeader('X-HTTP-Method-Override', 'POST') },
      ...refused('METHOD_NOT_SUPPORTED'),
    },
  ]),
]

const clientCases = (): Case[] => [
  ...bothDialects([
    {
      by: '3.1-client-id',
      that: 'a request without Client-Id is refused, unsigned',
      plan: withoutHeader('client-id'),
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '6-invalid-client',
      that: 'an unknown client is refused, unsigned',
      plan: replacingHeader('client-id', 'T_999999999'),
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '6-invalid-client',
      that: 'an empty client id is refused, unsigned',
      plan: replacingHeader('client-id', ''),
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '6-invalid-client',
      that: 'a client id that names a property of every object is refused',
      plan: replacingHeader('client-id', '__proto__'),
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '6-invalid-client',
      that: 'a client id with text after it is another one',
      plan: {
        headers: (lines) =>
          lines.map(([name, value]) => (/^client-id$/i.test(name) ? [name, `${value}.`] : [name, value])),
      },
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '11-joined',
      that: 'a Client-Id that comes twice is no known one',
      plan: {
        headers: (lines) => lines.flatMap((line) => (/^client-id$/i.test(line[0]) ? [line, line] : [line])),
      },
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '3-header-names',
      that: 'header names in lower case are the same',
      plan: { headers: (lines) => lines.map(([name, value]) => [name.toLowerCase(), value]) },
      ...taken,
    },
    {
      by: '3-header-names',
      that: 'header names in capitals are the same',
      plan: { headers: (lines) => lines.map(([name, value]) => [name.toUpperCase(), value]) },
      ...taken,
    },
    {
      by: '3-header-names',
      that: 'the order of headers does not matter',
      plan: { headers: (lines) => lines.toReversed() },
      ...taken,
    },
    {
      by: '3.1-log-only',
      that: 'Agent-Token is ignored',
      plan: withHeader('Agent-Token', 'x'.repeat(128)),
      ...taken,
    },
    { by: '3.1-log-only', that: 'tracerid is ignored', plan: withHeader('tracerid', '0a1b2c3d'), ...taken },
    {
      by: '10-sender-quirks',
      that: 'Key-Version and X-sdkVersion are ignored',
      plan: { headers: (lines) => [...lines, ['Key-Version', '9'], ['X-sdkVersion', '2.0']] },
      ...taken,
    },
    {
      by: '3.1-encrypt',
      that: 'an encrypted message is refused',
      plan: withHeader('Encrypt', 'algorithm=RSA_AES'),
      ...refused('PARAM_ILLEGAL'),
    },
    { by: '3.1-encrypt', that: 'an empty Encrypt means nothing', plan: withHeader('Encrypt', ''), ...taken },
  ]),
  ...alipayPlus([
    {
      by: '6-invalid-client',
      that: 'a client id in other letters is another one',
      plan: replacingHeader('client-id', 't_111222333'),
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '3.1-client-id',
      that: 'a Client_Id with underscore is none',
      plan: {
        headers: (lines) => lines.map(([name, value]) => [name === 'client-id' ? 'Client_Id' : name, value]),
      },
      ...refusedUnsigned('INVALID_CLIENT'),
    },
  ]),
]

const orderCases = (): Case[] =>
  bothDialects([
    {
      by: '1-check-order',
      that: 'the path comes before the method',
      plan: { target: '/elsewhere', method: 'GET' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
    },
    {
      by: '1-check-order',
      that: 'the method comes before the media type',
      plan: { method: 'PUT', ...replacingHeader('content-type', 'text/plain') },
      ...refused('METHOD_NOT_SUPPORTED'),
    },
    {
      by: '1-check-order',
      that: 'the media type comes before the headers',
      plan: { time: 'now', ...replacingHeader('content-type', 'text/plain') },
      ...refused('MEDIA_TYPE_NOT_ACCEPTABLE'),
    },
    {
      by: '1-check-order',
      that: 'the headers come before the client',
      plan: { time: 'now', ...replacingHeader('client-id', 'T_999999999') },
      ...refusedUnsigned('PARAM_ILLEGAL'),
    },
    {
      by: '1-check-order',
      that: 'the client comes before the key',
      plan: {
        signature: ({ base64 }) => `keyVersion=99,signature=${encodeURIComponent(base64)}`,
        ...replacingHeader('client-id', 'T_999999999'),
      },
      ...refusedUnsigned('INVALID_CLIENT'),
    },
    {
      by: '1-check-order',
      that: 'the key comes before the signature',
      plan: {
        signed: { body: Buffer.from('another') },
        signature: ({ base64 }) => `keyVersion=99,signature=${encodeURIComponent(base64)}`,
      },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '1-check-order',
      that: 'the signature comes before the body, of which nothing unsigned is kept',
      plan: { body: 'no JSON', signed: { body: Buffer.from('another') } },
      ...refused('INVALID_SIGNATURE'),
    },
  ])

/** What stands in front of the body: path, method, media type, client, and which of them comes first. */
export const headCases = (): Case[] => [
  ...pathCases(),
  ...methodCases(),
  ...mediaCases(),
  ...clientCases(),
  ...orderCases(),
]
