import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { alipay, rsaPair } from '../test-client.fixture.ts'
import { judgeBatch, packClaims, type SignatureClaim, verdicts } from './signature-batch.ts'

const stranger = rsaPair()

function claimOf(text: string, { signedBy = alipay, key = alipay.publicKey } = {}): SignatureClaim {
  const bytes = Buffer.from(text)
  return { text: bytes, signature: sign('sha256', bytes, signedBy.privateKey), key }
}

function judge(claims: readonly SignatureClaim[]): number[] {
  return [...judgeBatch(structuredClone(packClaims(claims)))]
}

test('each claim of a batch gets its own verdict, in the order of the claims', () => {
  const { holds, refuted } = verdicts
  const changed = { ...claimOf('three'), text: Buffer.from('THREE') }
  const claims = [
    claimOf('one'),
    claimOf('two', { signedBy: stranger }),
    changed,
    claimOf('four', { signedBy: stranger, key: stranger.publicKey }),
    claimOf(''),
    { ...claimOf('six'), signature: Buffer.alloc(0) },
    claimOf('x'.repeat(100_000)),
  ]
  expect(judge(claims)).toEqual([holds, refuted, refuted, holds, holds, refuted, holds])
  expect(judge(claims.toReversed())).toEqual([holds, refuted, holds, holds, refuted, refuted, holds])
})

test('a text and a signature do not lend each other bytes', () => {
  const { text, signature, key } = claimOf('boundary')
  const bytes = Buffer.concat([text, signature])
  const moved = [text.length - 1, text.length + 1].map((at) => ({
    text: bytes.subarray(0, at),
    signature: bytes.subarray(at),
    key,
  }))
  expect(judge(moved)).toEqual([verdicts.refuted, verdicts.refuted])
})

test('a key is packed once', () => {
  const claims = [claimOf('one'), claimOf('two', { key: stranger.publicKey }), claimOf('three')]
  expect(packClaims(claims).keys).toEqual([alipay.publicKey, stranger.publicKey])
})

test('nothing is known of a claim whose verification throws, and its neighbours are judged', () => {
  const { publicKey }: { publicKey: KeyObject } = generateKeyPairSync('x25519')
  const { holds, unknown } = verdicts
  expect(judge([claimOf('one'), { ...claimOf('two'), key: publicKey }, claimOf('three')])).toEqual([
    holds,
    unknown,
    holds,
  ])
})
