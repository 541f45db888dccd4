/** Name and value as they go over the wire; nothing is added, folded or put into another case. */
export type HeaderLine = readonly [name: string, value: string]

/** A request down to its bytes. */
export type WireRequest = {
  method: string
  target: string
  version: '1.0' | '1.1'
  headers: readonly HeaderLine[]
  body: Buffer
  /** How the end of the body is told: this adds Content-Length or Transfer-Encoding, or with `none` neither. */
  framing: 'length' | 'chunked' | 'none'
}

/** The bytes up to and with the empty line. */
export function headBytes(request: WireRequest): Buffer {
  const framing: Record<WireRequest['framing'], HeaderLine[]> = {
    length: [['Content-Length', String(request.body.length)]],
    chunked: [['Transfer-Encoding', 'chunked']],
    none: [],
  }
  const lines = [...request.headers, ...framing[request.framing]].map(([name, value]) => `${name}: ${value}`)
  const start = `${request.method} ${request.target} HTTP/${request.version}`
  return Buffer.from(`${[start, ...lines].join('\r\n')}\r\n\r\n`, 'latin1')
}

const chunkBytes = 64 * 1024

/** The bytes after the empty line. */
export function bodyBytes({ body, framing }: WireRequest): Buffer {
  if (framing !== 'chunked') return body
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += chunkBytes) {
    const piece = body.subarray(at, at + chunkBytes)
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')])
}

/** What a receiver makes of a header that may come more than once: joined with a comma and a blank. */
export function joinedHeader(headers: readonly HeaderLine[], name: string): string | undefined {
  const values = headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}
