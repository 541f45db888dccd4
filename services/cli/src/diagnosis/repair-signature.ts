import { parseSignatureHeader, type SignatureHeader } from '@signalbox/alipay/signature'

/** Why a Signature header cannot be read, and what it says when that is undone; null when nothing helps. */
export type Unreadable = { problem: string; repaired: SignatureHeader | null }

/** What senders and what stands between do to a Signature header, and how to undo it. */
const repairs: readonly { problem: string; undo: (header: string) => string }[] = [
  {
    problem: 'it is in quotes',
    undo: (header) => header.trim().replace(/^(["'])(.*)\1$/, '$2'),
  },
  {
    problem:
      'its pluses have become blanks: something decodes it as a form, where only percent escapes are meant',
    undo: (header) => onSignature(header, (value) => value.replaceAll(' ', '+')),
  },
  {
    problem: 'it is percent-encoded twice',
    undo: (header) => onSignature(header, (value) => value.replaceAll('%25', '%')),
  },
  {
    problem: 'it is percent-encoded as a whole',
    undo: (header) => decoded(header),
  },
  {
    problem: 'its base64 lacks the = at its end',
    undo: (header) => onSignature(header, padded),
  },
  {
    problem: 'its base64 is the URL-safe one (- and _ in place of + and /)',
    undo: (header) => onSignature(header, (value) => padded(value.replaceAll('-', '+').replaceAll('_', '/'))),
  },
  {
    problem: 'its base64 is broken into lines, or has blanks in it',
    undo: (header) => onSignature(header, (value) => value.replaceAll(/%0[AaDd]|%20|\s|\\n/g, '')),
  },
  {
    problem: 'its names are written in other letters than algorithm, keyVersion and signature',
    undo: (header) =>
      header
        .replace(/\balgorithm=/i, 'algorithm=')
        .replace(/\bkey_?version=/i, 'keyVersion=')
        .replace(/\bsignature=/i, 'signature='),
  },
  {
    problem: 'its parts are not separated by commas',
    undo: (header) => header.replaceAll(/[;&]\s*|\s+(?=algorithm=|keyVersion=|signature=)/g, ','),
  },
  {
    problem: 'it is the signature alone, without signature= before it',
    undo: (header) => `signature=${header.trim()}`,
  },
  {
    problem: 'its algorithm is another than RSA256',
    undo: (header) => header.replace(/\balgorithm=[^,]*/, 'algorithm=RSA256'),
  },
  {
    problem: 'its key version is not made of digits',
    undo: (header) => header.replace(/,?\s*\bkeyVersion=[^,]*/, '').replace(/^,/, ''),
  },
]

/** Says why a Signature header cannot be read. @param header one that `parseSignatureHeader` refuses */
export function explainSignatureHeader(header: string): Unreadable {
  const twice = repeatedName(header)
  if (twice !== undefined) return { problem: `it says ${twice} twice`, repaired: null }
  for (const { problem, undo } of repairs) {
    const repaired = parseSignatureHeader(undo(header))
    // Every RSA signature in use has 256 bytes or more; less is a chance reading of something else.
    if (repaired !== null && repaired.signature.length >= 256) return { problem, repaired }
  }
  return { problem: plainProblem(header), repaired: null }
}

function plainProblem(header: string): string {
  if (header.trim() === '') return 'it is empty'
  if (!namesOf(header).includes('signature')) return 'it has no signature='
  return 'its signature is no percent-encoded base64'
}

function repeatedName(header: string): string | undefined {
  const names = namesOf(header)
  return ['algorithm', 'keyVersion', 'signature'].find(
    (name) => names.indexOf(name) !== names.lastIndexOf(name),
  )
}

function namesOf(header: string): string[] {
  return header.split(',').map((part) => part.trim().split('=', 1)[0] ?? '')
}

function onSignature(header: string, change: (value: string) => string): string {
  return header.replace(/\bsignature=([^,]*)/, (_, value: string) => `signature=${change(value)}`)
}

function padded(value: string): string {
  const plain = value.replace(/(?:=|%3[Dd])+$/, '')
  const letters = plain.replaceAll(/%[0-9A-Fa-f]{2}/g, '+').length
  return plain + '='.repeat((4 - (letters % 4)) % 4)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a bad escape, which another repair may explain
  }
}
