import { createHash } from 'node:crypto'
import type { SignedParts } from '@signalbox/alipay/signature'
import type { KnownKey } from '../verify/known-keys.ts'
import type { Diagnosis, Difference } from './diagnose.ts'
import { type Part, quoted } from './variants.ts'

/** A diagnosis in sentences: whose key, which part of the text, and what to do. */
export function describeDiagnosis(
  diagnosis: Diagnosis<KnownKey>,
  received: { parts: SignedParts; namedVersion: string | null },
): string[] {
  switch (diagnosis.kind) {
    case 'opened':
      return describeOpened(diagnosis, received)
    case 'bare':
      return [
        `${keyRelation(diagnosis.key, received)}, but the signature holds ${diagnosis.contentBytes} bytes that name no hash function.`,
        'The sender encrypts a hash with its private key; RSASSA-PKCS1-v1_5 also needs the DigestInfo of SHA-256 before it. Let it call a function that signs (SHA256withRSA).',
      ]
    case 'pss':
      return [
        `${keyRelation(diagnosis.key, received)} and so is the text, but the padding is that of RSASSA-PSS.`,
        'Only RSASSA-PKCS1-v1_5 is taken: let the sender use SHA256withRSA without PSS.',
      ]
    default:
      return describeNoKey(diagnosis)
  }
}

function describeOpened(
  diagnosis: Extract<Diagnosis<KnownKey>, { kind: 'opened' }>,
  received: { parts: SignedParts; namedVersion: string | null },
): string[] {
  const { key, algorithm, differences, complete } = diagnosis
  const relation = keyRelation(key, received)
  const hash =
    algorithm === 'sha256'
      ? []
      : [`The sender hashes with ${algorithm.toUpperCase()}: only SHA-256 is taken (RSA256, SHA256withRSA).`]
  if (differences === null) {
    return [
      `${relation}${hash.length === 0 ? ' and so is the form of the signature' : ''}, but the sender signed another text, which differs in a way that is not guessed${complete ? '' : ' (the body is too long to try everything)'}.`,
      ...hash,
      'Compare with what the sender signed. What counts as signed here:',
      ...signedTextLines(received.parts),
      `  ${algorithm} of it:             ${diagnosis.receivedHash}`,
      `  ${algorithm} that was signed:   ${diagnosis.signedHash}`,
    ]
  }
  const [first, ...others] = differences
  if (first === undefined) return [`${relation}, and the text is what was received.`, ...hash]
  if (others.length === 0) {
    return [
      `${relation}, but the sender signed another ${first.part}: ${first.what}.`,
      ...hash,
      remedies[first.part],
    ]
  }
  return [
    `${relation}, but the sender signed another text in ${differences.length} places:`,
    ...differences.map(({ part, what }: Difference) => `  ${part}: ${what}`),
    ...hash,
    ...new Set(differences.map(({ part }) => remedies[part])),
  ]
}

const remedies: Record<Part, string> = {
  uri: 'The sender signs the path of the URL that it was given, query included. Register a URL without query whose path arrives here unchanged; where a proxy takes a prefix off, set PUBLIC_PATH_PREFIX.',
  'client id':
    'The sender signs the Client-Id that it sends: both must be the id of the clients file, letter for letter.',
  time: 'The sender signs the text of the header Request-Time: one text must go into both.',
  body: 'The signature covers the bytes of the body: something on the way writes them anew (a proxy, a firewall, or the editor that this capture was saved with), or the sender signs before it serializes.',
  method: 'The signed text begins with POST, a blank and the path.',
  format:
    'The signed text is "POST <uri>", one line feed, "<client id>.<time>.<body>", and nothing after the body.',
}

/** "The key is right (version 1)", or whose key it is instead. */
function keyRelation(
  { side, clientId, version, state }: KnownKey,
  { parts, namedVersion }: { parts: SignedParts; namedVersion: string | null },
): string {
  if (version === null) return 'The key is right'
  const named = `version ${version}${state === 'active' ? '' : `, ${state}`}`
  if (side === 'own') {
    return `The signature was made with our own private key (ownKeys ${named}${clientId === parts.clientId ? '' : ` of client ${clientId}`}), not with Alipay's: is it one of our answers`
  }
  if (clientId !== parts.clientId) return `The key is that of another client (${clientId}, ${named})`
  if (namedVersion !== null && version !== namedVersion) {
    return `The key is another than the header names (${named}, not ${namedVersion})`
  }
  return `The key is right (${named})`
}

function describeNoKey({
  tried,
  signatureBytes,
  keyBytes,
}: Extract<Diagnosis<KnownKey>, { kind: 'no_key' }>): string[] {
  if (tried === 0) return ['There is no key to verify with.']
  const keys = tried === 1 ? 'The key has not' : `None of ${tried} keys has`
  if (!keyBytes.includes(signatureBytes)) {
    return [
      `${keys} made this signature: it has ${signatureBytes} bytes (a key of ${signatureBytes * 8} bits), the ${tried === 1 ? 'key' : 'keys'} ${keyBytes.join(' or ')}.`,
      "The signature was cut short, or the key is the wrong one: copy Alipay's public key from the developer center again.",
    ]
  }
  return [
    `${keys} made this signature: its padding does not open with ${tried === 1 ? 'it' : 'any'}.`,
    "Either the key configured is the wrong one (copy Alipay's public key, not ours, from the developer center of the same environment), or the signature was damaged on its way.",
  ]
}

/** What the signature should cover, with the body told but not shown. */
function signedTextLines({ uri, clientId, time, body }: SignedParts): string[] {
  const sha256 = createHash('sha256').update(body).digest('hex')
  return [
    `  ${quoted(`POST ${uri}\n${clientId}.${time}.`)}, then the body`,
    `  body: ${body.length} bytes, sha256 ${sha256}`,
  ]
}
