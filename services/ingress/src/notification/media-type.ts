import { MIMEType } from 'node:util'

const readableCharsets = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii'])

/** What nearly every sender writes, which need not be parsed. */
const usual = new Set([
  'application/json',
  'application/json; charset=UTF-8',
  'application/json;charset=UTF-8',
])

/**
 * Whether a body of this Content-Type can be read as JSON: the header is optional and its parameters do not
 * matter, but a charset must be UTF-8 or a part of it.
 */
export function isReadableMediaType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === '' || usual.has(contentType)) return true
  const type = parseMediaType(contentType)
  if (type?.essence !== 'application/json') return false
  return readableCharsets.has((type.params.get('charset') ?? 'utf-8').toLowerCase())
}

/** Whether the body comes as it is: nothing is ever inflated, so that nothing small can become huge. */
export function isPlainEncoding(contentEncoding: string | undefined): boolean {
  return contentEncoding === undefined || /^(?:identity)?$/i.test(contentEncoding)
}

function parseMediaType(text: string): MIMEType | null {
  try {
    return new MIMEType(text)
  } catch {
    return null
  }
}
