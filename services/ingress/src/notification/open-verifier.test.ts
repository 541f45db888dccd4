import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { alipay, rsaPair } from '../test-client.fixture.ts'
import { openVerifier } from './open-verifier.ts'
import type { SignatureClaim } from './signature-batch.ts'

const stranger = rsaPair()

/** A claim that holds, or one of a stranger's signature. */
function claimOf(isGood: boolean, bytes = 500): SignatureClaim {
  const text = randomBytes(bytes)
  const { privateKey } = isGood ? alipay : stranger
  return { text, signature: sign('sha256', text, privateKey), key: alipay.publicKey }
}

test.each([1, 2, 3, 40, 600])('of %d claims at a time each gets its own answer', async (count) => {
  await using verifier = openVerifier({ processors: 2 })
  const goods = Array.from({ length: count }, (_, index) => index % 3 !== 1)
  expect(await Promise.all(goods.map((isGood) => verifier.verify(claimOf(isGood))))).toEqual(goods)
})

test('claims that come while others are verified get their answers too', async () => {
  await using verifier = openVerifier({ processors: 2 })
  const goods = Array.from({ length: 20 }, (_, index) => index % 2 === 0)
  async function inTurn(): Promise<boolean[]> {
    const answers: boolean[] = []
    for (const isGood of goods) answers.push(await verifier.verify(claimOf(isGood)))
    return answers
  }
  expect(await Promise.all(Array.from({ length: 8 }, inTurn))).toEqual(Array(8).fill(goods))
})

test('more claims than may wait are verified at once, and so are too many bytes', async () => {
  await using verifier = openVerifier({ processors: 2 })
  const claim = claimOf(true)
  const { atOnce, all } = await answersOf(Array.from({ length: 300 }, () => verifier.verify(claim)))
  expect(atOnce).toEqual(Array(300 - 256).fill(true))
  expect(new Set(all)).toEqual(new Set([true]))
  const large = claimOf(true, 4 * 1024 * 1024)
  expect(await answersOf([verifier.verify(large), verifier.verify(large)])).toEqual({
    atOnce: [true],
    all: [true, true],
  })
})

test('with one processor there is no thread', async () => {
  await using verifier = openVerifier({ processors: 1 })
  const { atOnce } = await answersOf(
    [true, false, true, true].map((isGood) => verifier.verify(claimOf(isGood))),
  )
  expect(atOnce).toEqual([true, false, true, true])
})

/** All answers, and those that come in the same turn of the event loop. */
async function answersOf(asked: readonly Promise<boolean>[]): Promise<{ atOnce: boolean[]; all: boolean[] }> {
  const atOnce: boolean[] = []
  let isOver = false
  for (const answer of asked) void answer.then((isGood) => isOver || atOnce.push(isGood))
  await new Promise((resolve) => process.nextTick(resolve))
  isOver = true
  return { atOnce, all: await Promise.all(asked) }
}

test('a claim that cannot be verified rejects, and its neighbours are answered', async () => {
  await using verifier = openVerifier({ processors: 2 })
  const { publicKey: key } = generateKeyPairSync('x25519')
  const claims = [claimOf(true), { ...claimOf(true), key }, claimOf(false), claimOf(true)]
  const settled = await Promise.allSettled(claims.map((claim) => verifier.verify(claim)))
  expect(settled.map((each) => (each.status === 'fulfilled' ? each.value : 'rejected'))).toEqual([
    true,
    'rejected',
    false,
    true,
  ])
})
