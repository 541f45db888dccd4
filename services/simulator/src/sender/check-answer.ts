import { parseRequestTime } from '@signalbox/alipay/request-time'
import { parseSignatureHeader, verifySignature } from '@signalbox/alipay/signature'
import type { SentLine } from '@signalbox/contracts/simulator-files'
import { z } from 'zod'
import type { SenderClient } from '../sandbox.ts'

/** What an attempt came to; see {@link SentLine}. */
export type Answer = Pick<SentLine, 'resultCode' | 'resultStatus' | 'answerVerified' | 'problem'>

export type HttpAnswer = {
  status: number
  /** By lower-case name. */
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: Buffer
}

const resultBody = z.object({
  result: z.object({ resultCode: z.string().max(64), resultStatus: z.enum(['S', 'F', 'U']) }),
})

/** Reads an answer and checks its signature under the acquirer's published keys. Anything short of that fails. */
export function checkAnswer(client: SenderClient, answer: HttpAnswer): Answer {
  const result = readResult(answer.body)
  const problem =
    answer.status === 200
      ? result === null
        ? 'the body is no result'
        : forgery(client, answer)
      : `HTTP ${answer.status}`
  return {
    resultCode: result?.resultCode ?? null,
    resultStatus: result?.resultStatus ?? null,
    answerVerified: problem === null,
    problem,
  }
}

function readResult(body: Buffer) {
  try {
    return resultBody.safeParse(JSON.parse(body.toString('utf8'))).data?.result ?? null
  } catch {
    return null // no JSON at all, which is for the receiver to explain
  }
}

/** In what the answer is not what the acquirer must have signed; null when nothing is wrong. */
function forgery(client: SenderClient, { headers, body }: HttpAnswer): string | null {
  const clientId = headers['client-id']
  const time = headers['response-time']
  const header = headers['signature']
  if (clientId !== client.clientId) return 'client-id is not the one of the request'
  if (typeof time !== 'string' || parseRequestTime(time) === null)
    return 'response-time is missing or malformed'
  if (typeof header !== 'string') return 'the answer is not signed'
  const signature = parseSignatureHeader(header)
  if (signature === null) return 'the signature header is malformed'
  const key = client.acquirerKeys.get(signature.keyVersion ?? '')
  if (key === undefined) return 'the signature names an unknown key version'
  const parts = { uri: client.path, clientId, time, body }
  return verifySignature(parts, signature.signature, key) ? null : 'the signature does not hold'
}
