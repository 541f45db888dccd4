import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { alipay, rsaPair } from '../test-client.fixture.ts'
import { openVerifier, type Verifier } from './open-verifier.ts'
import type { SignatureClaim } from './signature-batch.ts'

const stranger = rsaPair()

/** A claim that holds, or one of a stranger's signature. */
function claimOf(isGood: boolean, bytes = 500): SignatureClaim {
  const text = randomBytes(bytes)
  const { privateKey } = isGood ? alipay : stranger
  return { text, signature: sign('sha256', text, privateKey), key: alipay.publicKey }
}

const verifyAll = (verifier: Verifier, goods: readonly boolean[]) =>
  Promise.all(goods.map((isGood) => verifier.verify(claimOf(isGood))))

/** A program in place of the thread's; `port` is its end of the line. */
function threadThat(does: string): URL {
  const program = `import { parentPort as port } from 'node:worker_threads'\n${does}`
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`)
}

const silent = threadThat(`port.on('message', () => {})`)
/** Says that every claim holds, so that its answers are known from those of the event loop. */
const credulous = threadThat(
  `port.on('message', ({ places }) => port.postMessage(new Uint8Array(places.length / 3).fill(1)))`,
)
/** Longer than any test. */
const long = 60_000
const fourForged = Array<boolean>(4).fill(false)
const fourBelieved = Array<boolean>(4).fill(true)

test.each([1, 2, 3, 40, 600])('of %d claims at a time each gets its own answer', async (count) => {
  await using verifier = openVerifier({ processors: 2 })
  const goods = Array.from({ length: count }, (_, index) => index % 3 !== 1)
  expect(await verifyAll(verifier, goods)).toEqual(goods)
})

test.each([1, 2, 40])(
  '%d claims that come while others are verified get their own answers',
  async (count) => {
    await using verifier = openVerifier({ processors: 2 })
    const first = Array.from({ length: 40 }, (_, index) => index % 2 === 0)
    const second = first.slice(0, count).map((isGood) => !isGood)
    const answers = verifyAll(verifier, first)
    await nextTurn()
    expect(await Promise.all([answers, verifyAll(verifier, second)])).toEqual([first, second])
  },
)

test('from three claims on it is the thread that says what holds, however much has gone before', async () => {
  await using verifier = openVerifier({ processors: 2, program: credulous, patienceMs: long })
  expect(await verifyAll(verifier, fourForged)).toEqual(fourBelieved)
  expect(await verifyAll(verifier, [false, false])).toEqual([false, false])
  const large = Array.from({ length: 4 }, () => claimOf(false, 2_000_000))
  for (let round = 0; round < 3; round++) {
    expect(await Promise.all(large.map((claim) => verifier.verify(claim)))).toEqual(fourBelieved)
  }
  expect(await verifyAll(verifier, fourForged)).toEqual(fourBelieved)
})

test('more claims than may wait are verified at once, and so are too many bytes', async () => {
  await using verifier = openVerifier({ processors: 2, patienceMs: long })
  const claim = claimOf(true)
  const { atOnce, all } = await answersOf(Array.from({ length: 300 }, () => verifier.verify(claim)))
  expect(atOnce).toEqual(Array(300 - 64).fill(true))
  expect(new Set(all)).toEqual(new Set([true]))
  const large = claimOf(true, 4 * 1024 * 1024)
  expect(await answersOf([verifier.verify(large), verifier.verify(large)])).toEqual({
    atOnce: [true],
    all: [true, true],
  })
})

test('with one processor there is no thread', async () => {
  await using verifier = openVerifier({ processors: 1, program: credulous })
  expect(await verifyAll(verifier, [true, false, true, true])).toEqual([true, false, true, true])
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

test('claims that the thread keeps for too long are verified here, and what comes meanwhile too', async () => {
  await using verifier = openVerifier({ processors: 2, program: silent, patienceMs: 20 })
  const goods = [true, false, true, true]
  const first = verifyAll(verifier, goods)
  await nextTurn()
  const second = verifyAll(verifier, goods)
  expect(await Promise.all([first, second])).toEqual([goods, goods])
  expect(await verifyAll(verifier, goods)).toEqual(goods)
})

test('a thread that was late is asked again once it has answered, and its late answer is nobody’s', async () => {
  const once = threadThat(`
    const believe = ({ places }) => port.postMessage(new Uint8Array(places.length / 3).fill(1))
    let late
    port.on('message', (batch) => {
      if (late !== undefined) return believe(batch)
      late = setTimeout(believe, 200, batch)
    })`)
  await using verifier = openVerifier({ processors: 2, program: once, patienceMs: 20 })
  expect(await verifyAll(verifier, fourForged)).toEqual(fourForged)
  await vi.waitFor(async () => expect(await verifyAll(verifier, fourForged)).toEqual(fourBelieved), 5_000)
})

test.each([
  ['throws', `port.on('message', () => { throw new Error('out of luck') })`, /has failed$/],
  ['ends', `port.on('message', () => process.exit(3))`, /has ended with 3$/],
  ['cannot be loaded', `import '/nowhere.ts'`, /has failed$/],
])('when the thread %s that is told, and every claim is answered', async (_, does, message) => {
  await using verifier = openVerifier({ processors: 2, program: threadThat(does), patienceMs: long })
  const goods = [true, false, true, true]
  expect(await verifyAll(verifier, goods)).toEqual(goods)
  expect((await verifier.failed).message).toMatch(message)
  expect(await verifyAll(verifier, goods)).toEqual(goods)
})

test('a disposal answers what the thread has and what waits, and is no failure', async () => {
  const verifier = openVerifier({ processors: 2, program: silent, patienceMs: long })
  const goods = [true, false, true, true]
  const first = verifyAll(verifier, goods)
  await nextTurn()
  const second = verifyAll(verifier, goods)
  await verifier[Symbol.asyncDispose]()
  expect(await Promise.all([first, second, verifyAll(verifier, goods)])).toEqual([goods, goods, goods])
  expect(await Promise.race([verifier.failed, nextTurn('no failure')])).toBe('no failure')
})
