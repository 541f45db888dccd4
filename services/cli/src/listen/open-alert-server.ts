import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'

/** An alert has 20,000 bytes at most. */
const mostBytes = 100_000

export type AnswerAlert = (request: {
  headers: IncomingMessage['headers']
  body: Uint8Array
}) => Promise<{ status: number; text: string }>

/**
 * Serves 127.0.0.1, whatever the path. What is not POST, or too large, is answered without asking `answer`.
 *
 * @throws StartProblem when the port cannot be had
 */
export async function openAlertServer(
  port: number,
  answer: AnswerAlert,
): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => {
    // Whoever hangs up half-way has sent no alert.
    respond(request, response, answer).catch(() => response.destroy())
  })
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new StartProblem(
      `Port ${port} of 127.0.0.1 cannot be had (${codeOf(cause)}). Give another --port, or end what listens there.`,
    )
  }
  const address = server.address()
  const listensOn = typeof address === 'object' && address !== null ? address.port : port
  return {
    url: `http://127.0.0.1:${listensOn}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  answer: AnswerAlert,
): Promise<void> {
  const end = (status: number, text: string) =>
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
  if (request.method !== 'POST') return void end(405, 'Alerts are sent with POST.')
  const body = await readBytes(request)
  if (body === null) return void end(413, `An alert has at most ${mostBytes} bytes.`)
  const { status, text } = await answer({ headers: request.headers, body })
  end(status, text)
}

async function readBytes(request: IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = []
  let bytes = 0
  const source: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false })
  for await (const piece of source) {
    bytes += piece.length
    if (bytes > mostBytes) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
