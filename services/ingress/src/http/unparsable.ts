import { type ResultCode, resultBody } from '@signalbox/alipay/result'

/** Why what a peer sent never became a request for the app. */
export type UnparsableCause = 'overflow' | 'timeout' | 'malformed' | 'connect'

/** The whole answer for each cause: always the same bytes, unsigned, the last on its connection. */
export const unparsableAnswers: Readonly<Record<UnparsableCause, Buffer>> = {
  overflow: answerOf('200 OK', 'PARAM_ILLEGAL'),
  timeout: answerOf('200 OK', 'UNKNOWN_EXCEPTION'),
  malformed: answerOf('400 Bad Request', 'PARAM_ILLEGAL'),
  // A 2xx would open a tunnel.
  connect: answerOf('405 Method Not Allowed', 'METHOD_NOT_SUPPORTED', 'allow: POST'),
}

/** What an error of a connection is about; null when the connection broke, so that nobody is left to answer. */
export function unparsableCauseOf(error: Error): UnparsableCause | null {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'HPE_HEADER_OVERFLOW') return 'overflow'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'timeout'
  return code.startsWith('HPE_') ? 'malformed' : null
}

function answerOf(status: string, code: ResultCode, ...headers: readonly string[]): Buffer {
  const body = resultBody(code)
  const lines = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=UTF-8',
    `content-length: ${body.length}`,
    ...headers,
    'connection: close',
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body])
}
