/** Another body that a sender may have signed; built when it is tried, because bodies can be large. */
type BodyVariant = { what: string; build: () => Uint8Array }

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])
const lineFeed = Buffer.from('\n')
const carriageReturn = Buffer.from('\r\n')

/** What becomes of bodies on their way through editors, proxies and serializers, undone. */
export function bodyVariants(received: Uint8Array): BodyVariant[] {
  const body = Buffer.from(received.buffer, received.byteOffset, received.byteLength)
  const hasMark = body.subarray(0, 3).equals(byteOrderMark)
  const plain = hasMark ? body.subarray(3) : body
  const letters = () => body.toString('latin1')
  return [
    { what: 'without its final line end', build: () => bytes(letters().replace(/\r?\n$/, '')) },
    { what: 'with a line feed (LF) at its end', build: () => Buffer.concat([body, lineFeed]) },
    { what: 'with a line end (CR LF) at its end', build: () => Buffer.concat([body, carriageReturn]) },
    { what: 'with CR LF in place of LF', build: () => bytes(letters().replaceAll(/\r?\n/g, '\r\n')) },
    { what: 'with LF in place of CR LF', build: () => bytes(letters().replaceAll('\r\n', '\n')) },
    {
      what: 'with LF in place of CR LF, and none at its end',
      build: () => bytes(letters().replaceAll('\r\n', '\n').replace(/\n$/, '')),
    },
    {
      what: 'with CR LF in place of LF, and none at its end',
      build: () => bytes(letters().replaceAll(/\r?\n/g, '\r\n').replace(/\r\n$/, '')),
    },
    { what: 'without the white space at its end', build: () => bytes(letters().trimEnd()) },
    { what: 'without the white space around it', build: () => bytes(letters().trim()) },
    hasMark
      ? { what: 'without the byte order mark', build: () => plain }
      : { what: 'with a byte order mark', build: () => Buffer.concat([byteOrderMark, body]) },
    { what: 'an empty one', build: () => Buffer.alloc(0) },
    ...['{}', 'null', 'undefined', '[object Object]'].map((text) => ({
      what: `'${text}'`,
      build: () => Buffer.from(text),
    })),
    { what: 'read as Latin-1 and written as UTF-8', build: () => Buffer.from(letters(), 'utf8') },
    {
      what: 'read as UTF-8 and written as Latin-1',
      build: () => Buffer.from(body.toString('utf8'), 'latin1'),
    },
    { what: 'with every percent escape decoded', build: () => percentDecoded(letters()) ?? body },
    ...jsonVariants(plain),
  ]
}

/** Latin-1 has a letter for every byte, so that text tools leave all other bytes as they are. */
function bytes(letters: string): Buffer {
  return Buffer.from(letters, 'latin1')
}

const serializers: readonly (readonly [what: string, write: (value: unknown) => string])[] = [
  ['the same JSON without blanks', (value) => JSON.stringify(value)],
  ['the same JSON indented by two blanks', (value) => JSON.stringify(value, null, 2)],
  ['the same JSON indented by four blanks', (value) => JSON.stringify(value, null, 4)],
  ['the same JSON indented by tabs', (value) => JSON.stringify(value, null, '\t')],
  ['the same JSON with a blank after commas and colons', (value) => pythonJson(value)],
  [
    'the same JSON with a blank after commas and colons and escaped letters',
    (value) => escaped(pythonJson(value)),
  ],
  ['the same JSON without blanks and with escaped letters', (value) => escaped(JSON.stringify(value))],
  [
    'the same JSON without blanks and with escaped slashes',
    (value) => JSON.stringify(value).replaceAll('/', String.raw`\/`),
  ],
  [
    'the same JSON without blanks and with escaped slashes and letters',
    (value) => escaped(JSON.stringify(value).replaceAll('/', String.raw`\/`)),
  ],
  ['the same JSON without blanks and with its members sorted', (value) => JSON.stringify(sorted(value))],
  ['the same JSON as a JSON string', (value) => JSON.stringify(JSON.stringify(value))],
]

function jsonVariants(body: Buffer): BodyVariant[] {
  const text = body.toString('utf8')
  const parse = remembered(() => jsonOf(text))
  if (!/^\s*[[{"]/.test(text)) return []
  return [
    { what: 'without the blanks between its JSON tokens', build: () => Buffer.from(withoutBlanks(text)) },
    ...serializers.map(([what, write]) => ({
      what,
      build: () => {
        const value = parse()
        return value === undefined ? body : (written(() => write(value)) ?? body)
      },
    })),
  ]
}

/** Null for a value that is too deep to be written; no sender has written it either. */
function written(write: () => string): Buffer | null {
  try {
    return Buffer.from(write())
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Leaves numbers, escapes and repeated members as they were written, which parsing would not. */
function withoutBlanks(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|[ \t\r\n]+/g, (token) => (token.startsWith('"') ? token : ''))
}

function pythonJson(value: unknown): string {
  // An indented text has every token on a line of its own, and no line end inside a string.
  return JSON.stringify(value, null, 1)
    .replaceAll(/,\n\s*/g, ', ')
    .replaceAll(/\n\s*/g, '')
}

function escaped(json: string): string {
  return json.replaceAll(
    /[\u0080-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  )
}

function percentDecoded(letters: string): Buffer | null {
  if (!letters.includes('%')) return null
  const plain = letters.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(plain, 'latin1')
}

function remembered<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
