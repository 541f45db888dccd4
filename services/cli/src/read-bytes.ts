import { createReadStream } from 'node:fs'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'

/** More than any ingress takes. */
const maxBytes = 64 * 1024 * 1024

/**
 * Reads the bytes of a file that an option names, or of standard input for `-`.
 *
 * @throws StartProblem when it cannot be read or is larger than 64 MiB
 */
export async function readBytes(path: string, option: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  const source: AsyncIterable<Buffer> = path === '-' ? process.stdin : createReadStream(path)
  try {
    for await (const piece of source) {
      bytes += piece.length
      if (bytes > maxBytes) throw new StartProblem(`${option} ${path} has more than ${maxBytes} bytes.`)
      pieces.push(piece)
    }
  } catch (cause) {
    if (cause instanceof StartProblem) throw cause
    const code = codeOf(cause)
    throw new StartProblem(
      `${option} ${path} cannot be read (${code}). Correct the path, or make it readable.`,
    )
  }
  return Buffer.concat(pieces)
}
