import type { IncomingMessage } from 'node:http'

/** What came of reading a body. */
export type ReadBody =
  | { kind: 'body'; bytes: Buffer }
  /** The rest is still read, and thrown away, so that the sender sees his answer. */
  | { kind: 'too_large' | 'no_room' }
  /** The connection broke; nobody is left to answer. */
  | { kind: 'cut_off' }

/**
 * Reads a body as it comes, never inflated.
 *
 * @param hold is told of every chunk; false: there is no room for more
 */
export function readBody(
  request: IncomingMessage,
  { limitBytes, hold }: { limitBytes: number; hold: (bytes: number) => boolean },
  done: (read: ReadBody) => void,
): void {
  const chunks: Buffer[] = []
  let bytes = 0
  let isDone = false

  function finish(read: ReadBody): void {
    if (isDone) return
    isDone = true
    chunks.length = 0
    done(read)
  }

  request.on('data', (chunk: Buffer) => {
    if (isDone) return
    bytes += chunk.length
    if (bytes > limitBytes) return finish({ kind: 'too_large' })
    if (!hold(chunk.length)) return finish({ kind: 'no_room' })
    chunks.push(chunk)
  })
  request.on('end', () => {
    const [only] = chunks
    finish({ kind: 'body', bytes: only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks) })
  })
  request.on('error', () => finish({ kind: 'cut_off' }))
  request.on('close', () => finish({ kind: 'cut_off' }))
}
