import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf, createAnswerJudge, messageBytes, signMessage } from './answers.fixture.ts'
import { createForgeries } from './forged/forgeries.fixture.ts'
import { createOriginals, type Forgery, type Original, wireOf } from './forged/original.fixture.ts'
import { rightBlock, signBlock } from './forged/rsa-blocks.fixture.ts'
import { type Ingresses, type KeptRecord, openIngresses } from './ingress.fixture.ts'
import { mapLimited } from './map-limited.fixture.ts'
import { createProtocolModel } from './protocol-model.fixture.ts'
import { untilNotBusy } from './until-not-busy.fixture.ts'
import { sendAlone, type WireAnswer } from './wire/connection.fixture.ts'
import { joinedHeader, type WireRequest } from './wire/request.fixture.ts'

type Sent = { name: string; request: WireRequest; answer: WireAnswer }

const atATime = 16
const judge = createAnswerJudge()

let ingresses: Ingresses<'ingress'>
let originals: readonly Original[]
/** Genuine, though not in the usual spelling. */
let genuine: readonly Forgery[]
let answered: Sent[]
let refused: Sent[]
let kept: { raw: KeptRecord[]; quarantine: KeptRecord[] }

beforeAll(async () => {
  ingresses = await openIngresses({ env: process.env, settings: new Map([['ingress', {}]]) })
  const { clients } = ingresses
  originals = await createOriginals(clients)
  genuine = originals.flatMap(genuineSpellings)
  answered = await sendAll(genuine)
  const forgeries = await createForgeries(originals, clients)
  refused = await sendAll([...forgeries, ...answered.flatMap(replays)])
  // Once more, so that the forgeries cannot have been refused for a reason that holds for everybody.
  answered.push(...(await sendAll(genuine)))
  kept = await ingresses.readKept()
  process.stdout.write(`forged variants: ${refused.length}\n`)
})
afterAll(async () => {
  await ingresses?.[Symbol.asyncDispose]()
})

function sendAll(forgeries: readonly Forgery[]): Promise<Sent[]> {
  return mapLimited(forgeries, { atATime }, async ({ name, request }) => {
    const send = () => sendAlone(ingresses.portOf('ingress'), request)
    return { name, request, answer: await untilNotBusy(send) }
  })
}

/**
 * The untouched notification, and the same signature in texts that decode to the same 256 bytes. The last bits of
 * base64 are one of them: they change no byte of the signature, so to refuse them would refuse a genuine sender.
 */
function genuineSpellings(original: Original): Forgery[] {
  const base64 = original.signature.toString('base64')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const last = alphabet.indexOf(base64.charAt(341))
  const spare = `${base64.slice(0, 341)}${alphabet[last + 1]}==`
  return [
    { name: `${original.name}: untouched`, request: wireOf(original) },
    { name: `${original.name}: bare base64`, request: wireOf(original, { signature: base64 }) },
    { name: `${original.name}: spare bits of base64 set`, request: wireOf(original, { signature: spare }) },
  ]
}

/** An answer of ours sent back to us as a notification. */
function replays({ name, request, answer }: Sent): Forgery[] {
  const header = (wanted: string) => joinedHeader(answer.headers, wanted) ?? ''
  const headers = request.headers.map(([given, value]) => {
    if (given === 'Request-Time') return [given, header('response-time')] as const
    return [given, given === 'Signature' ? header('signature') : value] as const
  })
  const renamed = headers.map(
    ([given, value]) =>
      [given, given === 'Signature' ? value.replace(/keyVersion=\d+/, 'keyVersion=1') : value] as const,
  )
  return [
    { name: `${name}: our answer sent back`, request: { ...request, headers, body: answer.body } },
    {
      name: `${name}: our answer under another version`,
      request: { ...request, headers: renamed, body: answer.body },
    },
  ]
}

test('the notifications that the forgeries are made of are taken, before and after them', () => {
  expect(answered.filter(({ answer }) => codeOf(answer) !== 'SUCCESS').map(({ name }) => name)).toEqual([])
  expect(answered).toHaveLength(2 * genuine.length)
})

test('a block that is signed by hand is a genuine signature when nothing is wrong with it', async () => {
  for (const { message, client, version, signature } of originals) {
    const key = client.alipayKeys.get(version)?.privateKey
    if (key === undefined) throw new Error(`no key ${version}`)
    expect(signBlock(rightBlock(messageBytes(message)), key).equals(signature)).toBe(true)
    expect((await signMessage(message, key)).equals(signature)).toBe(true)
  }
})

test('there are at least 200 forgeries, each with a name of its own and none of them a genuine message', () => {
  const names = refused.map(({ name }) => name)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  expect(refused.length).toBeGreaterThanOrEqual(200)
  const verdictOn = createProtocolModel(ingresses.clients)
  expect(
    refused.filter(({ request }) => verdictOn(request).code === 'SUCCESS').map(({ name }) => name),
  ).toEqual([])
})

test('every forgery is refused, with the code of the protocol and a signature only for a known client on its path', () => {
  const verdictOn = createProtocolModel(ingresses.clients)
  const faults = refused.flatMap(({ name, request, answer }) => {
    const { code, signedFor } = verdictOn(request)
    const signer = signedFor === null ? 'nobody' : { client: signedFor, uri: request.target }
    const found = judge.faultsOf(answer, { code, status: 200, signer, withoutBody: false })
    return found.map((fault) => `${name}: ${fault}, where ${code} is due`)
  })
  expect(faults).toEqual([])
})

test('nothing of a forgery is stored, neither as a notification nor in quarantine', () => {
  const signatures = genuine.map(({ request }) => joinedHeader(request.headers, 'signature') ?? '')
  expect(kept.raw.map(({ headers }) => headers.signature).toSorted()).toEqual(
    [...signatures, ...signatures].toSorted(),
  )
  expect(kept.quarantine).toEqual([])
})
