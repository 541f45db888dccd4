/**
 * The answers of the Alipay+ result table (protocol of notifyRegistrationStatus). Only S ends the sender's
 * retries. PROCESS_FAIL is never sent: it says "do not retry", yet F is retried.
 */
const table = {
  SUCCESS: ['S', 'Success'],
  ACCESS_DENIED: ['F', 'Access is denied.'],
  INVALID_CLIENT: ['F', 'The client is invalid.'],
  INVALID_SIGNATURE: ['F', 'The signature is invalid.'],
  KEY_NOT_FOUND: ['F', 'The key is not found.'],
  MEDIA_TYPE_NOT_ACCEPTABLE: [
    'F',
    'The server does not implement the media type that is acceptable to the client.',
  ],
  METHOD_NOT_SUPPORTED: ['F', 'The server does not implement the requested HTTPS method.'],
  NO_INTERFACE_DEF: ['F', 'API is not defined.'],
  PARAM_ILLEGAL: ['F', 'Illegal parameters. For example, non-numeric input, invalid date.'],
  REQUEST_TRAFFIC_EXCEED_LIMIT: ['U', 'The request traffic exceeds the limit.'],
  UNKNOWN_EXCEPTION: ['U', 'An API call failed, which is caused by unknown reasons.'],
} as const satisfies Record<string, readonly ['S' | 'F' | 'U', string]>

export type ResultCode = keyof typeof table
export type ResultStatus = (typeof table)[ResultCode][0]

/** S, F or U of a code. */
export function resultStatus(code: ResultCode): ResultStatus {
  return table[code][0]
}

const bodies = new Map(
  Object.entries(table).map(([resultCode, [resultStatus, resultMessage]]) => [
    resultCode,
    Buffer.from(JSON.stringify({ result: { resultCode, resultStatus, resultMessage } })),
  ]),
)

/** The response body of a code: always the same bytes, because refusals to strangers are signed too. */
export function resultBody(code: ResultCode): Buffer {
  const body = bodies.get(code)
  if (body === undefined) throw new Error(`no such result code: ${code}`)
  return body
}
