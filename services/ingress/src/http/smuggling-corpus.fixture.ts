/** A request that must never be seen as one of its own. */
export const smuggled = 'POST /smuggled HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'

const head = (...headers: readonly string[]) =>
  ['POST /first HTTP/1.1', 'host: a', ...headers, '', ''].join('\r\n')
const withHeaders = (...headers: readonly string[]) => `${head(...headers, 'content-length: 2')}{}${smuggled}`
const withLine = (line: string) => `${line}\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}${smuggled}`
const chunked = (body: string) => head('transfer-encoding: chunked') + body + smuggled
const coded = (...headers: readonly string[]) => `${head(...headers)}0\r\n\r\n${smuggled}`
const sized = (...headers: readonly string[]) => `${head(...headers)}{}${smuggled}`
const plain = 'POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}'

/**
 * Bytes that two readers of HTTP may cut into requests differently, or that are not HTTP at all; one character is
 * one byte. Most have the smuggled request behind them.
 */
export const hostileBytes: readonly (readonly [name: string, bytes: string])[] = [
  // Two lengths.
  ['Content-Length and Transfer-Encoding', coded('content-length: 6', 'transfer-encoding: chunked')],
  ['Transfer-Encoding and Content-Length', coded('transfer-encoding: chunked', 'content-length: 4')],
  ['two lengths', sized('content-length: 2', 'content-length: 50')],
  ['the same length twice', sized('content-length: 2', 'content-length: 2')],
  ['a list of lengths', sized('content-length: 2, 2')],
  ['a length with a plus', sized('content-length: +2')],
  ['a negative length', sized('content-length: -2')],
  ['a hexadecimal length', sized('content-length: 0x2')],
  ['a length with a point', sized('content-length: 2.0')],
  ['a length with an exponent', sized('content-length: 1e1')],
  ['a length with a blank inside', sized('content-length: 2 0')],
  ['an empty length', sized('content-length:')],
  ['a length of 23 digits', sized('content-length: 99999999999999999999999')],
  ['a length that overflows 64 bits to 2', sized('content-length: 18446744073709551618')],
  ['a blank before the colon of a length', sized('content-length : 50', 'content-length: 2')],
  // Transfer codings.
  ['two Transfer-Encodings', coded('transfer-encoding: chunked', 'transfer-encoding: x')],
  ['chunked twice', coded('transfer-encoding: chunked', 'transfer-encoding: chunked')],
  ['chunked, then identity', coded('transfer-encoding: chunked, identity')],
  ['identity, then chunked', coded('transfer-encoding: identity, chunked')],
  ['gzip, then chunked', coded('transfer-encoding: gzip, chunked')],
  ['an unknown coding', coded('transfer-encoding: xchunked')],
  ['an unknown coding and a length', coded('transfer-encoding: xchunked', 'content-length: 5')],
  ['identity alone', coded('transfer-encoding: identity')],
  ['identity and a length', coded('transfer-encoding: identity', 'content-length: 5')],
  ['an empty coding and a length', coded('transfer-encoding:', 'content-length: 5')],
  ['a quoted coding', coded('transfer-encoding: "chunked"')],
  ['a coding with a parameter', coded('transfer-encoding: chunked;q=1')],
  ['a comma before the coding', coded('transfer-encoding: ,chunked', 'content-length: 5')],
  ['a vertical tab before the coding', coded('transfer-encoding: \x0bchunked', 'content-length: 5')],
  ['a NUL behind the coding', coded('transfer-encoding: chunked\0', 'content-length: 5')],
  ['a blank before the colon of the coding', coded('transfer-encoding : chunked', 'content-length: 5')],
  ['a tab before the colon of the coding', coded('transfer-encoding\t: chunked', 'content-length: 5')],
  ['a folded coding', coded('transfer-encoding:', ' chunked', 'content-length: 5')],
  ['a coding behind a bare LF', coded('x: y\ntransfer-encoding: chunked', 'content-length: 5')],
  ['a coding behind a bare CR', coded('x: y\rtransfer-encoding: chunked', 'content-length: 5')],
  [
    'a coding in HTTP/1.0',
    coded('connection: keep-alive', 'transfer-encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0'),
  ],
  // Chunks.
  ['a negative chunk', chunked('-2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size with a plus', chunked('+2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size with 0x', chunked('0x2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size over 64 bits', chunked('fffffffffffffffff\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size that overflows 64 bits to 2', chunked('10000000000000002\r\n{}\r\n0\r\n\r\n')],
  ['a blank behind a chunk size', chunked('2 \r\n{}\r\n0\r\n\r\n')],
  ['a blank before a chunk size', chunked(' 2\r\n{}\r\n0\r\n\r\n')],
  ['a chunk size that is none', chunked('g\r\n{}\r\n0\r\n\r\n')],
  ['no chunk size', chunked('\r\n{}\r\n0\r\n\r\n')],
  ['LF behind a chunk size', chunked('2\n{}\r\n0\r\n\r\n')],
  ['CR without LF behind a chunk size', chunked('2\rX{}\r\n0\r\n\r\n')],
  ['no line end behind a chunk', chunked('2\r\n{}0\r\n\r\n')],
  ['LF behind a chunk', chunked('2\r\n{}\n0\r\n\r\n')],
  ['a chunk longer than its size', chunked('2\r\n{}}\r\n0\r\n\r\n')],
  ['LF in a chunk extension', chunked('2;\n{}\r\n0\r\n\r\n')],
  ['LF behind a chunk extension', chunked('2;a\nxx\r\n{}\r\n0\r\n\r\n')],
  ['CR in a chunk extension', chunked('2;a\rb\r\n{}\r\n0\r\n\r\n')],
  ['NUL in a chunk extension', chunked('2;\0\r\n{}\r\n0\r\n\r\n')],
  ['a chunk extension of 20 kB', chunked(`2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`)],
  ['a length among the trailers', chunked('0\r\ncontent-length: 50\r\n\r\n')],
  ['a coding among the trailers', chunked('0\r\ntransfer-encoding: chunked\r\n\r\n')],
  ['LF behind the last chunk', chunked('0\r\n\n')],
  ['LF alone around the last chunk', chunked('0\n\n')],
  ['LF behind the last size', chunked('0\n\r\n')],
  // Lines of the head.
  ['a folded header', withHeaders('x: y', '\tz')],
  ['a folded first header', `POST /first HTTP/1.1\r\n host: a\r\ncontent-length: 2\r\n\r\n{}${smuggled}`],
  ['a blank before a colon', withHeaders('x : y')],
  ['a header without a colon', withHeaders('xyz')],
  ['a header without a name', withHeaders(': y')],
  ['bare LF everywhere', plain.replaceAll('\r\n', '\n') + smuggled],
  ['bare CR everywhere', plain.replaceAll('\r\n', '\r') + smuggled],
  ['LF at the end of the head', `${head('content-length: 2').slice(0, -2)}\n{}${smuggled}`],
  ['LF behind the request line', plain.replace('\r\n', '\n') + smuggled],
  ['CR CR LF behind a header', withHeaders('x: y\r')],
  ['NUL in a name', withHeaders('x\0: y')],
  ['NUL in a value', withHeaders('x: y\0z')],
  ['a control character in a value', withHeaders('x: y\x01z')],
  ['DEL in a value', withHeaders('x: y\x7fz')],
  ['a parenthesis in a name', withHeaders('x(: y')],
  ['an at sign in a name', withHeaders('x@y: y')],
  ['a byte beyond ASCII in a name', withHeaders('x\xe9: y')],
  ['a quoted name', withHeaders('"x": y')],
  // The request line.
  ['a blank in the target', withLine('POST /fi rst HTTP/1.1')],
  ['tabs in the request line', withLine('POST\t/first\tHTTP/1.1')],
  ['NUL in the target', withLine('POST /fi\0rst HTTP/1.1')],
  ['a control character in the target', withLine('POST /fi\x01rst HTTP/1.1')],
  ['bytes beyond ASCII in the target', withLine('POST /fi\xc3\xa9rst HTTP/1.1')],
  ['a target without a slash', withLine('POST first HTTP/1.1')],
  ['a target that is a host', withLine('POST evil:80 HTTP/1.1')],
  ['a blank before the method', withLine(' POST /first HTTP/1.1')],
  ['a method in lower case', withLine('post /first HTTP/1.1')],
  ['a method that is none', withLine('FOO /first HTTP/1.1')],
  ['a method of RTSP', withLine('DESCRIBE /first RTSP/1.0')],
  // Versions and other protocols.
  ['HTTP/0.9', `GET /first\r\n\r\n${smuggled}`],
  ['HTTP/0.9 with a line alone', 'GET /first\r\n'],
  ['HTTP/0.9 with POST', `POST /first\r\n\r\n${smuggled}`],
  ['HTTP/1.2', withLine('POST /first HTTP/1.2')],
  ['HTTP/1.10', withLine('POST /first HTTP/1.10')],
  ['HTTP/2.0 in a request line', withLine('POST /first HTTP/2.0')],
  ['HTTP/9.9', withLine('POST /first HTTP/9.9')],
  ['http in lower case', withLine('POST /first http/1.1')],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
  ['half a preface of HTTP/2', `PRI * HTTP/2.0\r\n\r\n${smuggled}`],
  ['the method of the preface in HTTP/1.1', `PRI * HTTP/1.1\r\nhost: a\r\n\r\n${smuggled}`],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['noise', '\x00\xff\xfe\r\n\r\n'],
  // Cut off.
  ['half a head', 'POST /first HTTP/1.1\r\nhost: a\r\n'],
  ['a body shorter than its length', `${head('content-length: 10')}{}`],
  ['chunks without an end', `${head('transfer-encoding: chunked')}2\r\n{}\r\n`],
]

/** Odd bytes that have one reading only, with the targets that they ask for. */
export const oddBytes: readonly (readonly [name: string, bytes: string, targets: readonly string[]])[] = [
  ['a coding in mixed case', `${head('transfer-encoding: cHuNkEd')}2\r\n{}\r\n0\r\n\r\n`, ['/first']],
  [
    'a header that only looks like a coding',
    `${head('transfer_encoding: x', 'content-length: 2')}{}`,
    ['/first'],
  ],
  ['zeros before a length', `${head('content-length: 0002')}{}`, ['/first']],
  ['blanks behind a length', `${head('content-length: 2   ')}{}`, ['/first']],
  ['a chunk extension', `${head('transfer-encoding: chunked')}2;a="b;c"\r\n{}\r\n0\r\n\r\n`, ['/first']],
  ['a trailer', `${head('transfer-encoding: chunked')}2\r\n{}\r\n0\r\nx: y\r\n\r\n`, ['/first']],
  ['bytes beyond ASCII in a value', `${head('x: y\xe9z', 'content-length: 2')}{}`, ['/first']],
  ['two Hosts', `${head('host: b', 'content-length: 2')}{}`, ['/first']],
  ['no Host', plain.replace('host: a\r\n', ''), ['/first']],
  ['a whole URL of another host', plain.replace('/first', 'http://evil/first'), ['http://evil/first']],
  ['the server as target', 'OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n', ['*']],
  ['a fragment', plain.replace('/first', '/first#x'), ['/first#x']],
  ['more than one blank in the request line', plain.replaceAll(' /first ', '  /first  '), ['/first']],
  ['empty lines before a request', `\r\n\r\n${plain}`, ['/first']],
  ['HTTP/1.0', plain.replace('HTTP/1.1', 'HTTP/1.0'), ['/first']],
  [
    'HTTP/1.0 that keeps the connection',
    `${head('connection: keep-alive', 'content-length: 2').replace('HTTP/1.1', 'HTTP/1.0')}{}${plain}`,
    ['/first', '/first'],
  ],
  ['GET with a body', plain.replace('POST', 'GET') + plain, ['/first', '/first']],
  [
    'an unknown expectation',
    `${head('expect: miracles', 'content-length: 2')}{}${plain}`,
    ['/first', '/first'],
  ],
  ['nothing', '', []],
  ['empty lines', '\r\n\r\n\r\n', []],
]
