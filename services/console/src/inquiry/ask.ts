import { callTime, inquiryPath } from '@signalbox/alipay/inquiry'
import { createSignature, formatSignatureHeader } from '@signalbox/alipay/signature'
import { type InquiryRequest, readInquiryBody } from '@signalbox/contracts/inquiry-body'
import type { InquiryHeaders } from '@signalbox/contracts/inquiry-record'
import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { Client, ClientDirectory } from '@signalbox/key-ring/client-directory'
import { checkAnswer, type Forgery } from './check-answer.ts'
import type { Wire } from './wire.ts'

/** Which registration is asked for, and which of its rounds; null: none is known. */
export type Question = { registration: RegistrationRef; round: string | null }

export type Reply =
  /** A genuine S: what is appended, byte for byte. */
  | { kind: 'answered'; headers: InquiryHeaders; body: Buffer }
  /** A genuine F: to ask again the same way is useless. */
  | { kind: 'refused'; resultCode: string }
  /** A genuine U, or no answer at all: to be asked again. */
  | { kind: 'unavailable'; problem: string }
  /** Nothing in it can be believed. An unsigned refusal says in `claim` what it would have us believe. */
  | { kind: 'forged'; forgery: Forgery; claim: string | null }
  /** Genuine, but not of the documented shape. */
  | { kind: 'unreadable'; reason: string; where: string }
  /** The client is not known, or its entry names no address. */
  | { kind: 'not_configured' }

/** Asks Alipay+ for the state of one registration. Never throws for what the other side does. */
export function createAsk(ports: {
  clients: () => ClientDirectory
  wire: Pick<Wire, 'post'>
  createId: () => string
  now: () => number
}) {
  return async function ask(question: Question): Promise<Reply> {
    const client = ports.clients().find(question.registration.clientId)
    if (client === undefined || client.inquiryUrl === null) return { kind: 'not_configured' }
    const uri = inquiryPath(client)
    const body = requestBody(question)
    const headers = await signedHeaders(client, { uri, body, nowMs: ports.now() })
    const sent = await ports.wire.post({ origin: client.inquiryUrl, path: uri, headers, body })
    if (sent.kind === 'failed') return { kind: 'unavailable', problem: sent.problem }

    const { answer } = sent
    // Official senders take another status for a failure of the transport, so we do.
    if (answer.status !== 200) return { kind: 'unavailable', problem: `http_${answer.status}` }
    const checked = checkAnswer(answer, { client, uri, nowMs: ports.now() })
    if (checked.kind === 'forged') {
      return { kind: 'forged', forgery: checked.forgery, claim: claimOf(answer.body) }
    }
    const read = readInquiryBody(answer.body)
    if (read.kind === 'unreadable') return { kind: 'unreadable', reason: read.reason, where: read.where }
    if (read.kind === 'failed') {
      const resultCode = plainCode(read.resultCode)
      return read.resultStatus === 'U'
        ? { kind: 'unavailable', problem: resultCode }
        : { kind: 'refused', resultCode }
    }
    const { kind: _, ...signed } = checked
    return { kind: 'answered', headers: recordHeaders(client, { question, uri, signed }), body: answer.body }
  }

  function recordHeaders(
    { clientId, dialect }: Client,
    of: {
      question: Question
      uri: string
      signed: Pick<InquiryHeaders, 'requestTime' | 'requestTimeMs' | 'signature' | 'keyVersion'>
    },
  ): InquiryHeaders {
    const { registration, round } = of.question
    return {
      kind: 'inquiry',
      notificationId: ports.createId(),
      clientId,
      dialect,
      askedMerchantId: registration.referenceMerchantId,
      askedStoreId: registration.referenceStoreId,
      askedRequestId: round,
      requestUri: of.uri,
      ...of.signed,
      traceparent: null,
    }
  }
}

/** All that is known of the registration: by the request id an answer is about that round. */
function requestBody({ registration, round }: Question): Buffer {
  const { referenceMerchantId, referenceStoreId } = registration
  const request: InquiryRequest = {
    referenceMerchantId,
    ...(referenceStoreId === null ? {} : { referenceStoreId }),
    ...(round === null ? {} : { registrationRequestId: round }),
  }
  return Buffer.from(JSON.stringify(request))
}

async function signedHeaders(
  client: Client,
  { uri, body, nowMs }: { uri: string; body: Buffer; nowMs: number },
): Promise<Record<string, string>> {
  const { clientId, signingKey } = client
  const time = callTime(client, nowMs)
  const signature = await createSignature({ uri, clientId, time, body }, signingKey.key)
  return {
    'content-type': 'application/json; charset=UTF-8',
    'client-id': clientId,
    'request-time': time,
    signature: formatSignatureHeader({ keyVersion: signingKey.version, signature }),
  }
}

/** Alipay refuses what it cannot attribute to us without signing, and then this is the only hint at why. */
function claimOf(body: Buffer): string | null {
  const read = readInquiryBody(body)
  return read.kind === 'failed' ? plainCode(read.resultCode) : null
}

/** Codes go into the log, which holds no other text of theirs. */
function plainCode(resultCode: string): string {
  return /^[A-Z_]{1,64}$/.test(resultCode) ? resultCode : 'other'
}
