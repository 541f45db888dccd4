import { formatResponseTime } from '@signalbox/alipay/request-time'
import { type ResultCode, resultBody } from '@signalbox/alipay/result'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import type { Client } from '@signalbox/key-ring/client-directory'
import type { Addressee } from '../notification/check-head.ts'

/**
 * An HTTP answer but for its status, which is always 200: official clients take others for a lost connection. The
 * headers are names and values in turn. The body is ASCII text, which Node sends in one piece with the headers.
 */
export type Answer = { headers: string[]; body: string }

/** Whom a signed answer is for, and whether his signature held. */
export type Recipient = Addressee & { isVerified: boolean }

/**
 * Signatures of refusals that are made in a second for one client at most. Whoever knows a client id can ask for
 * another text with every query he invents, and a signature costs as much as a dozen verifications.
 */
const refusalSignaturesPerSecond = 200

/** What has been made for a client in this second. */
type OfClient = { answers: Map<string, Answer | Promise<Answer>>; refusalsSigned: number }

/**
 * Makes answers, signed for a known client on a path of its own. Nothing in them comes from the request but what
 * the clients file names too and the uri under the signature, so nobody can have us sign a text of his choice.
 *
 * Within one second most answers are the same bytes, so they are made once: whoever asks for one that is being
 * signed waits for that signature. An answer in hand comes at once, without a promise.
 */
export function createAnswers({ now }: { now: () => number }) {
  let second = Number.NaN
  let responseTime = ''
  let unsigned = new Map<ResultCode, Answer>()
  let signed = new Map<Client, OfClient>()

  function keepTime(): void {
    const nowMs = now()
    const currentSecond = Math.floor(nowMs / 1000)
    if (currentSecond === second) return
    second = currentSecond
    responseTime = formatResponseTime(nowMs)
    unsigned = new Map()
    signed = new Map()
  }

  function unsignedAnswer(code: ResultCode): Answer {
    const known = unsigned.get(code)
    if (known !== undefined) return known
    const answer = answerWith(code, responseTime, [])
    unsigned.set(code, answer)
    return answer
  }

  function signedAnswer(code: ResultCode, recipient: Recipient): Answer | Promise<Answer> {
    const { client, uri, isVerified } = recipient
    const ofClient: OfClient = signed.get(client) ?? { answers: new Map(), refusalsSigned: 0 }
    signed.set(client, ofClient)
    const { answers } = ofClient
    const key = `${code} ${uri}`
    const known = answers.get(key)
    if (known !== undefined) return known
    if (!isVerified) {
      if (ofClient.refusalsSigned >= refusalSignaturesPerSecond) return unsignedAnswer(code)
      ofClient.refusalsSigned += 1
    }
    const signing = sign(code, recipient, responseTime)
    answers.set(key, signing)
    signing.then(
      (answer) => answers.set(key, answer),
      () => answers.delete(key),
    )
    return signing
  }

  function answerFor(code: ResultCode, recipient: null): Answer
  function answerFor(code: ResultCode, recipient: Recipient | null): Answer | Promise<Answer>
  /** The answer with this code, unsigned for null. @throws (as a rejection) when it cannot be signed */
  function answerFor(code: ResultCode, recipient: Recipient | null): Answer | Promise<Answer> {
    keepTime()
    return recipient === null ? unsignedAnswer(code) : signedAnswer(code, recipient)
  }

  return answerFor
}

async function sign(code: ResultCode, { client, uri }: Addressee, responseTime: string): Promise<Answer> {
  const { clientId, signingKey } = client
  const body = resultBody(code)
  const signature = await createSignature({ uri, clientId, time: responseTime, body }, signingKey.key)
  const header = formatSignatureHeader({ keyVersion: signingKey.version, signature })
  return answerWith(code, responseTime, ['client-id', clientId, 'signature', header])
}

function answerWith(code: ResultCode, responseTime: string, more: readonly string[]): Answer {
  const body = resultBody(code)
  const headers = ['content-type', 'application/json; charset=UTF-8', 'content-length', String(body.length)]
  return { headers: [...headers, 'response-time', responseTime, ...more], body: body.toString('latin1') }
}
