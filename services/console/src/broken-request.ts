import type { Socket } from 'node:net'

const statuses: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

/** Answers what is no HTTP request, or a too large or too slow one, in the shape of all errors, and hangs up. */
export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  const status = statuses[error.code ?? ''] ?? '400 Bad Request'
  const body = JSON.stringify({ error: { code: 'bad_request', message: 'The request cannot be read.' } })
  if (socket.writable && error.code !== 'ECONNRESET') {
    socket.write(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroySoon()
}
