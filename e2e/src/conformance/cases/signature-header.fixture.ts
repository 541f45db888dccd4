import type { SignatureParts } from '../request-plan.fixture.ts'
import type { StatementId } from '../statements.ts'
import { alipayPlus, bothDialects, refused, taken, withHeader, withoutHeader } from './case.fixture.ts'

type Form = readonly [by: StatementId, what: string, write: (parts: SignatureParts) => string]

const upper = encodeURIComponent
const lower = (base64: string) => upper(base64).replaceAll(/%../g, (hex) => hex.toLowerCase())
const everyLetterEscaped = (base64: string) =>
  base64.replaceAll(/./g, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`)

const goodForms: readonly Form[] = [
  [
    '3.3-any-order',
    'the signature may come first',
    ({ version, base64 }) => `signature=${upper(base64)},keyVersion=${version},algorithm=RSA256`,
  ],
  [
    '3.3-any-order',
    'the version may come first',
    ({ version, base64 }) => `keyVersion=${version},signature=${upper(base64)},algorithm=RSA256`,
  ],
  [
    '3.3-any-order',
    'the algorithm may come last',
    ({ version, base64 }) => `signature=${upper(base64)},algorithm=RSA256,keyVersion=${version}`,
  ],
  [
    '3.3-any-order',
    'there may be blanks and tabs after the commas',
    ({ version, base64 }) => `algorithm=RSA256,  keyVersion=${version},\t signature=${upper(base64)}`,
  ],
  [
    '3.3-any-order',
    'there may be no blanks after the commas',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-unknown-keys',
    'unknown params are ignored wherever they stand',
    ({ version, base64 }) =>
      `a=1,algorithm=RSA256,b=2,keyVersion=${version},c=,signature=${upper(base64)},d=4`,
  ],
  [
    '3.3-unknown-keys',
    'an unknown param may come twice',
    ({ version, base64 }) => `x=1,x=2,algorithm=RSA256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-first-equals',
    'the padding of bare base64 is no second split',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64}`,
  ],
  [
    '3.3-first-equals',
    'an unknown value may hold an equals sign',
    ({ version, base64 }) => `x=a=b=,algorithm=RSA256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'rsa256 in lower case is the same',
    ({ version, base64 }) => `algorithm=rsa256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'Rsa256 in mixed case is the same',
    ({ version, base64 }) => `algorithm=Rsa256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-missing-algorithm',
    'without an algorithm it is RSA256',
    ({ version, base64 }) => `keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-missing-version',
    'without a version it is the newest key',
    ({ base64 }) => `algorithm=RSA256,signature=${upper(base64)}`,
  ],
  ['3.3-missing-version', 'the signature alone is enough', ({ base64 }) => `signature=${upper(base64)}`],
  [
    '3.3-encodings',
    'percent-encoded with upper-case hex',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-encodings',
    'percent-encoded with lower-case hex',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${lower(base64)}`,
  ],
  [
    '3.3-encodings',
    'percent-encoded with hex of both cases in one text',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${upper(base64).replace('%2B', '%2b')}`,
  ],
  [
    '3.3-encodings',
    'bare base64',
    ({ version, base64 }) => `algorithm=RSA256, keyVersion=${version}, signature=${base64}`,
  ],
  [
    '3.3-encodings',
    'only the padding encoded',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.replaceAll('=', '%3D')}`,
  ],
  [
    '3.3-encodings',
    'every letter encoded',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${everyLetterEscaped(base64)}`,
  ],
  [
    '11-plus',
    'a bare + is a plus and no blank',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.replaceAll('/', '%2F').replaceAll('=', '%3D')}`,
  ],
  [
    '3.1-realistic-set',
    'the set of the documents',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${lower(base64)}`,
  ],
]

const badForms: readonly Form[] = [
  [
    '3.3-algorithm',
    'ECC224 is not supported',
    ({ version, base64 }) => `algorithm=ECC224,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'RSA512 is not supported, though the signature is genuine',
    ({ version, base64 }) => `algorithm=RSA512,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'RSA is not RSA256',
    ({ version, base64 }) => `algorithm=RSA,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'none is no algorithm',
    ({ version, base64 }) => `algorithm=none,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-algorithm',
    'an empty algorithm is not a missing one',
    ({ version, base64 }) => `algorithm=,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-version-digits',
    'a version of letters is unparsable',
    ({ base64 }) => `algorithm=RSA256,keyVersion=one,signature=${upper(base64)}`,
  ],
  [
    '3.3-version-digits',
    'an empty version is unparsable',
    ({ base64 }) => `algorithm=RSA256,keyVersion=,signature=${upper(base64)}`,
  ],
  [
    '3.3-version-digits',
    'a negative version is unparsable',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=-${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-version-digits',
    'a version with a fraction is unparsable',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version}.0,signature=${upper(base64)}`,
  ],
  [
    '3.3-version-digits',
    'hexadecimal digits are unparsable',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=0x${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-key-twice',
    'the signature twice, genuine both times',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${upper(base64)},signature=${upper(base64)}`,
  ],
  [
    '3.3-key-twice',
    'a forged signature before the genuine one',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=AAAA,signature=${upper(base64)}`,
  ],
  [
    '3.3-key-twice',
    'the version twice',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-key-twice',
    'the algorithm twice',
    ({ version, base64 }) =>
      `algorithm=RSA256,algorithm=RSA256,keyVersion=${version},signature=${upper(base64)}`,
  ],
  [
    '3.3-param-shape',
    'a param without equals sign',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},alone,signature=${upper(base64)}`,
  ],
  [
    '3.3-param-shape',
    'a param without a name',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},=x,signature=${upper(base64)}`,
  ],
  [
    '3.3-param-shape',
    'semicolons instead of commas',
    ({ version, base64 }) => `algorithm=RSA256;keyVersion=${version};signature=${upper(base64)}`,
  ],
  ['3.3-param-shape', 'the base64 alone, without a name', ({ base64 }) => upper(base64)],
  [
    '3.3-bad-text',
    'an escape cut off after one digit',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64.slice(0, 342)}%3`,
  ],
  [
    '3.3-bad-text',
    'an escape of no digits',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64.slice(0, 342)}%`,
  ],
  [
    '3.3-bad-text',
    'an escape of letters that are no digits',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=%zz${base64.slice(1)}`,
  ],
  [
    '3.3-bad-text',
    'an escape of an invalid byte',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=%ff${base64.slice(1)}`,
  ],
  [
    '3.3-bad-text',
    'an escaped escape',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${upper(upper(base64))}`,
  ],
  [
    '3.3-bad-text',
    'the letters of URL-safe base64',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.replaceAll('+', '-').replaceAll('/', '_')}`,
  ],
  [
    '3.3-bad-text',
    'a blank inside',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.slice(0, 100)} ${base64.slice(100)}`,
  ],
  [
    '3.3-bad-text',
    'quotes around it',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature="${base64}"`,
  ],
  [
    '3.3-bad-text',
    'a line break escaped inside',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.slice(0, 76)}%0A${base64.slice(76)}`,
  ],
  [
    '11-plus',
    'a + turned into a blank by form-encoding is no plus',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.replaceAll('+', '%20')}`,
  ],
  [
    '11-base64',
    'base64 without its padding has a wrong length',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64.replaceAll('=', '')}`,
  ],
  [
    '11-base64',
    'base64 with too much padding',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64}==`,
  ],
  [
    '11-base64',
    'text after the padding',
    ({ version, base64 }) => `algorithm=RSA256,keyVersion=${version},signature=${base64}AAAA`,
  ],
  [
    '11-base64',
    'a foreign letter that a lax decoder would skip',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${base64.slice(0, 4)}*${base64.slice(4)}`,
  ],
  [
    '6-invalid-signature',
    'an empty signature',
    ({ version }) => `algorithm=RSA256,keyVersion=${version},signature=`,
  ],
  [
    '6-invalid-signature',
    'no signature among the params',
    ({ version }) => `algorithm=RSA256,keyVersion=${version}`,
  ],
  ['6-invalid-signature', 'an empty header', () => ''],
  ['6-invalid-signature', 'a header of a blank param', () => ','],
  [
    '6-invalid-signature',
    'a signature one byte short',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${upper(Buffer.from(base64, 'base64').subarray(0, 255).toString('base64'))}`,
  ],
  [
    '6-invalid-signature',
    'a signature one byte long',
    ({ version, base64 }) =>
      `algorithm=RSA256,keyVersion=${version},signature=${upper(Buffer.concat([Buffer.from(base64, 'base64'), Buffer.from([0])]).toString('base64'))}`,
  ],
  [
    '6-invalid-signature',
    'a signature of one byte',
    ({ version }) => `algorithm=RSA256,keyVersion=${version},signature=AA%3D%3D`,
  ],
]

/** Every shape of the Signature header. */
export const signatureHeaderCases = () => [
  ...bothDialects(goodForms.map(([by, that, signature]) => ({ by, that, plan: { signature }, ...taken }))),
  ...alipayPlus(
    badForms.map(([by, that, signature]) => ({
      by,
      that: `${that}: refused`,
      plan: { signature },
      ...refused('INVALID_SIGNATURE'),
    })),
  ),
  ...bothDialects([
    {
      by: '6-invalid-signature',
      that: 'a request without Signature is refused',
      plan: withoutHeader('signature'),
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '6-invalid-signature',
      that: 'a genuine signature of another body is refused',
      plan: { signed: { body: Buffer.from('{"referenceMerchantId":"another"}') } },
      ...refused('INVALID_SIGNATURE'),
    },
  ]),
  ...alipayPlus([
    {
      by: '3.3-key-twice',
      that: 'a second Signature header repeats the keys: refused',
      plan: withHeader('Signature', 'algorithm=RSA256,keyVersion=2,signature=AAAA'),
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '3.3-version-digits',
      that: 'a version of twenty digits is a version, though nobody has it',
      plan: { signature: ({ base64 }) => `keyVersion=12345678901234567890,signature=${upper(base64)}` },
      ...refused('KEY_NOT_FOUND'),
    },
  ]),
]
