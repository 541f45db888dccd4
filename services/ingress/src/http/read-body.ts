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
 * @param take is told of every chunk; false: there is no room for it
 * @returns a function that gives up reading, for want of room
 */
export function readBody(
  request: IncomingMessage,
  { limitBytes, take }: { limitBytes: number; take: (bytes: number) => boolean },
  done: (read: ReadBody) => void,
): () => void {
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
    chunks.push(chunk)
    if (!take(chunk.length)) finish({ kind: 'no_room' })
  })
  request.on('end', () => {
    const [only] = chunks
    finish({ kind: 'body', bytes: only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks) })
  })
  request.on('error', () => finish({ kind: 'cut_off' }))
  request.on('close', () => finish({ kind: 'cut_off' }))
  return () => finish({ kind: 'no_room' })
}
