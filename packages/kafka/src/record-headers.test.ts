import { expect, test } from 'vitest'
import { HeaderNames, RecordHeaders } from './record-headers.ts'

/** `null`: a header without a value. */
function headersOf(...pairs: readonly (readonly [name: string, content: string | null])[]): RecordHeaders {
  const bytes = Buffer.from(pairs.map(([, content]) => content ?? '').join(''))
  const spans: number[] = []
  let at = 0
  for (const [, content] of pairs) {
    const length = content === null ? -1 : Buffer.byteLength(content)
    spans.push(at, at + length)
    at += Math.max(0, length)
  }
  const names = pairs.map(([name]) => name)
  return new RecordHeaders(
    bytes,
    new HeaderNames(
      names,
      names.map((name) => Buffer.from(name)),
    ),
    spans,
  )
}

test('the text of a header is that of its bytes', () => {
  const headers = headersOf(['kind', 'inquiry'], ['empty', ''], ['name', 'Zoë 🦊'], ['kind', 'command'])
  for (const name of ['kind', 'empty', 'name']) {
    expect(headers.text(name)).toBe(headers.get(name)?.toString('utf8'))
  }
  expect(headers.text('kind')).toBe('command')
  expect(headers.text('empty')).toBe('')
})

test('a header that is not there, or has no value, has no text', () => {
  const headers = headersOf(['kind', 'inquiry'], ['kind', null], ['other', 'x'])
  expect(headers.text('none')).toBeUndefined()
  expect(headers.text('kind')).toBeUndefined()
  expect(headers.text('other')).toBe('x')
})
