import { constants, sign, verify, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { KnownClient } from './clients.fixture.ts'
import type { WireAnswer } from './wire/connection.fixture.ts'

/**
 * The results of protocol.md, section 6, written down a second time: letters from there, messages from the table
 * of the Alipay+ page. PROCESS_FAIL is never sent.
 */
const results = {
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
} as const

export type Code = keyof typeof results

/** The one body that an answer of this code may have. */
function envelopeOf(code: Code): string {
  const [letter, message] = results[code]
  return `{"result":{"resultCode":"${code}","resultStatus":"${letter}","resultMessage":"${message}"}}`
}

/** All codes that an ingress may answer. */
export const codes = Object.keys(results).filter((code): code is Code => code in results)

const codesByEnvelope = new Map(codes.map((code) => [envelopeOf(code), code]))

/** The code of an answer; null when its body is none of the envelopes. */
export function codeOf(answer: WireAnswer): Code | null {
  return codesByEnvelope.get(answer.body.toString('latin1')) ?? null
}

/** What both sides sign: `POST <uri> LF <client>.<time>.<body>`, nothing after the body. */
export type SignedMessage = { uri: string; clientId: string; time: string; body: Buffer }

/** The bytes under a signature. Written anew from the protocol, so that no fault of the product hides itself. */
export function messageBytes({ uri, clientId, time, body }: SignedMessage): Buffer {
  return Buffer.concat([Buffer.from(`POST ${uri}\n${clientId}.${time}.`, 'latin1'), body])
}

const signOnThreadPool = promisify(
  (text: Buffer, key: KeyObject, done: (error: Error | null, signature: Buffer) => void) =>
    sign('sha256', text, { key, padding: constants.RSA_PKCS1_PADDING }, done),
)

/** RSASSA-PKCS1-v1_5 with SHA-256, made on the thread pool. */
export function signMessage(message: SignedMessage, privateKey: KeyObject): Promise<Buffer> {
  return signOnThreadPool(messageBytes(message), privateKey)
}

export function isSignedBy(message: SignedMessage, signature: Buffer, publicKey: KeyObject): boolean {
  return verify(
    'sha256',
    messageBytes(message),
    { key: publicKey, padding: constants.RSA_PKCS1_PADDING },
    signature,
  )
}

/** Whose signature an answer must bear: that of a client's own key for this uri, none, or either. */
export type AnswerSigner = { client: KnownClient; uri: string; mayBeMissing?: boolean } | 'nobody'

export type ExpectedAnswer = {
  code: Code
  /** HTTP status; 200 but for what is no HTTP request. */
  status: number
  signer: AnswerSigner
  /** A request by HEAD gets an answer without its body. */
  withoutBody: boolean
}

const contentType = 'application/json; charset=UTF-8'
const responseTimeForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}$/
const signatureForm = /^algorithm=RSA256,keyVersion=([0-9]+),signature=((?:[A-Za-z0-9]|%2B|%2F|%3D)+)$/
const clockToleranceMs = 60_000
/** Everything that an answer may have; some of their verifiers read names in lower case only. */
const allowedNames = new Set([
  'client-id',
  'response-time',
  'signature',
  'content-type',
  'content-length',
  'connection',
  'keep-alive',
  'date',
])
const lowerCaseNames = new Set(['client-id', 'response-time', 'signature'])

/** Judges answers by section 3.4, 4.2 and 6; each distinct signed text is verified once. */
export function createAnswerJudge() {
  const verified = new Map<string, boolean>()

  function verifies(message: SignedMessage, signature: string, publicKey: KeyObject): boolean {
    const text = `${messageBytes(message).toString('latin1')}\n${signature}`
    const known = verified.get(text)
    if (known !== undefined) return known
    const isGood = isSignedBy(message, Buffer.from(decodeURIComponent(signature), 'base64'), publicKey)
    verified.set(text, isGood)
    return isGood
  }

  function signatureFaults(answer: WireAnswer, expected: ExpectedAnswer): string[] {
    const signature = headerOf(answer, 'signature')
    const { signer } = expected
    if (signer === 'nobody') return signature === null ? [] : ['it is signed, and must not be']
    if (signature === null) return signer.mayBeMissing === true ? [] : ['it is not signed']
    const { client, uri } = signer
    const [, version, base64] = signatureForm.exec(signature) ?? []
    if (version === undefined || base64 === undefined) return [`signature has another form: ${signature}`]
    const ownKey = client.ownKeys.get(client.ownVersion)
    const clientId = headerOf(answer, 'client-id') ?? ''
    const time = headerOf(answer, 'response-time') ?? ''
    const body = expected.withoutBody ? Buffer.from(envelopeOf(expected.code)) : answer.body
    const isGood = ownKey !== undefined && verifies({ uri, clientId, time, body }, base64, ownKey.publicKey)
    return [
      ...(clientId === client.clientId ? [] : [`client-id is ${clientId}`]),
      ...(version === client.ownVersion ? [] : [`it is signed by version ${version} of ours`]),
      ...(isGood ? [] : ['its signature does not verify']),
    ]
  }

  /** What is wrong with an answer, in words; empty when it is as it must be. */
  function faultsOf(answer: WireAnswer, expected: ExpectedAnswer): string[] {
    const code = expected.withoutBody ? expected.code : codeOf(answer)
    if (code !== expected.code) return [`it says ${code ?? `"${answer.body.toString('latin1')}"`}`]
    const names = answer.headers.map(([name]) => name)
    const doubled = names.filter((name, index) => names.indexOf(name) !== index)
    const foreign = names.filter((name) => !allowedNames.has(name.toLowerCase()) && !isAllow(name, expected))
    const misspelt = names.filter(
      (name) => lowerCaseNames.has(name.toLowerCase()) && name !== name.toLowerCase(),
    )
    const type = headerOf(answer, 'content-type')
    return [
      ...(answer.status === expected.status ? [] : [`HTTP status ${answer.status}`]),
      ...(type === contentType ? [] : [`Content-Type is ${type}`]),
      ...responseTimeFaults(answer),
      ...signatureFaults(answer, expected),
      ...[...doubled, ...foreign, ...misspelt].map((name) => `it has the header ${name}`),
    ]
  }

  return { faultsOf, verifiedTexts: () => verified.size }
}

/** HTTP wants to be told with 405 what is allowed. */
const isAllow = (name: string, { status }: ExpectedAnswer) => status === 405 && name.toLowerCase() === 'allow'

/** A response-time may be missing only where no request could be read. */
function responseTimeFaults(answer: WireAnswer): string[] {
  const time = headerOf(answer, 'response-time')
  if (time === null) return answer.status === 200 ? ['it has no response-time'] : []
  if (!responseTimeForm.test(time)) return [`response-time is ${time}`]
  const differenceMs = Math.abs(answer.receivedAtMs - Date.parse(time))
  return differenceMs < clockToleranceMs ? [] : [`response-time is ${differenceMs} ms away`]
}

function headerOf(answer: WireAnswer, name: string): string | null {
  return answer.headers.find(([other]) => other.toLowerCase() === name)?.[1] ?? null
}
