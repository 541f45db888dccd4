import { formatResponseTime } from '@signalbox/alipay/request-time'
import { type ResultCode, resultBody } from '@signalbox/alipay/result'

/** Why what a peer sent never became a request for the app. */
export type UnparsableCause = 'overflow' | 'timeout' | 'malformed' | 'connect'

type Form = { status: string; code: ResultCode; headers: readonly string[] }

const forms: Readonly<Record<UnparsableCause, Form>> = {
  overflow: { status: '200 OK', code: 'PARAM_ILLEGAL', headers: [] },
  timeout: { status: '200 OK', code: 'UNKNOWN_EXCEPTION', headers: [] },
  malformed: { status: '400 Bad Request', code: 'PARAM_ILLEGAL', headers: [] },
  // A 2xx would open a tunnel.
  connect: { status: '405 Method Not Allowed', code: 'METHOD_NOT_SUPPORTED', headers: ['allow: POST'] },
}

/** The whole answer for a cause: unsigned, and the last on its connection. */
export function unparsableAnswer(cause: UnparsableCause, nowMs: number): Buffer {
  const { status, code, headers } = forms[cause]
  const body = resultBody(code)
  const lines = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=UTF-8',
    `content-length: ${body.length}`,
    `response-time: ${formatResponseTime(nowMs)}`,
    ...headers,
    'connection: close',
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body])
}

/** What an error of a connection is about; null when the connection broke, so that nobody is left to answer. */
export function unparsableCauseOf(error: Error): UnparsableCause | null {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'HPE_HEADER_OVERFLOW') return 'overflow'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'timeout'
  return code.startsWith('HPE_') ? 'malformed' : null
}
