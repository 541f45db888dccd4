import { readFile, writeFile } from 'node:fs/promises'
import type { Signer } from '../signed-notification.ts'

/** Whole HTTP requests, ready to be written to a socket, in one file: each with its length before it. */
export type PreparedRequests = { file: string; count: number }

const atOnce = 64
const toldAfter = 100 * atOnce

/**
 * Signs distinct notifications before any load begins, so that the generator only has to write bytes.
 *
 * @param body the body of the n-th notification
 */
export async function prepareRequests(options: {
  file: string
  count: number
  signer: Signer
  uri: string
  body: (n: number) => string | Buffer
  /** Told now and then how many are signed. */
  onProgress?: (signed: number) => void
}): Promise<PreparedRequests> {
  const { file, count, signer, uri, body, onProgress = () => {} } = options
  const parts: Buffer[] = []
  for (let start = 0; start < count; start += atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, count - start) }, (_, i) => start + i)
    const signed = await Promise.all(numbers.map(async (n) => signer.sign(body(n))))
    for (const notification of signed) parts.push(...framed(requestBytes(uri, notification)))
    if ((start + atOnce) % toldAfter === 0) onProgress(start + signed.length)
  }
  await writeFile(file, Buffer.concat(parts))
  return { file, count }
}

/** A POST over a connection that is kept. */
export function requestBytes(
  uri: string,
  { headers, body }: { headers: Readonly<Record<string, string>>; body: Buffer },
): Buffer {
  const lines = Object.entries({ ...headers, 'content-length': String(body.length) })
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.concat([Buffer.from(`POST ${uri} HTTP/1.1\r\nhost: 127.0.0.1\r\n${head}\r\n`), body])
}

/** Writes requests of any kind for the generator. */
export async function writeRequests(file: string, requests: readonly Buffer[]): Promise<PreparedRequests> {
  await writeFile(file, Buffer.concat(requests.flatMap(framed)))
  return { file, count: requests.length }
}

/** Reads the requests of a file back. */
export async function readRequests(file: string): Promise<Buffer[]> {
  const bytes = await readFile(file)
  const requests: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32LE(at)
    requests.push(bytes.subarray(at + 4, end))
    at = end
  }
  return requests
}

function framed(request: Buffer): [Buffer, Buffer] {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(request.length)
  return [length, request]
}
