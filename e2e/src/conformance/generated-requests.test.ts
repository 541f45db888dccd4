import { createHash, randomInt } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf, codes, createAnswerJudge } from './answers.fixture.ts'
import {
  notificationRecipe,
  signNotification,
  type SignedNotification,
} from './generated/notifications.fixture.ts'
import { isForged, requestRecipe, type RequestRecipe, writeRequest } from './generated/requests.fixture.ts'
import { type Ingresses, type KeptRecord, openIngresses } from './ingress.fixture.ts'
import { mapLimited } from './map-limited.fixture.ts'
import { createProtocolModel, type Verdict } from './protocol-model.fixture.ts'
import { untilNotBusy } from './until-not-busy.fixture.ts'
import { createSender, type WireAnswer } from './wire/connection.fixture.ts'
import { joinedHeader, type WireRequest } from './wire/request.fixture.ts'

const requests = 20_000
const notifications = 3_000
const connections = 64
/** SIGNALBOX_SEED repeats a run: the same recipes, under new keys. */
const seed = Number(process.env['SIGNALBOX_SEED'] ?? randomInt(2 ** 31))

/** What was answered or judged otherwise than the protocol says, with its recipe. */
type Fault = { number: number; faults: string[]; recipe: RequestRecipe }

type RecordFacts = Pick<
  KeptRecord['headers'],
  'dialect' | 'requestUri' | 'clientId' | 'requestTime' | 'signature'
> & { reason: string | null; body: Buffer }

const counts = new Map<string, number>()
const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)

let ingresses: Ingresses<'ingress'>
let signed: readonly SignedNotification[]
let recipes: readonly RequestRecipe[]
const faults: Fault[] = []
const validRefused: number[] = []
const forgedTaken: number[] = []
/** How often each record is due, by what tells records apart. */
const due = { raw: new Map<string, number>(), quarantine: new Map<string, number>() }
let kept: { raw: KeptRecord[]; quarantine: KeptRecord[] }

beforeAll(async () => {
  process.stdout.write(`generated requests: SIGNALBOX_SEED=${seed}\n`)
  ingresses = await openIngresses({ env: process.env, settings: new Map([['ingress', {}]]) })
  const notificationRecipes = fc.sample(notificationRecipe, { seed, numRuns: notifications })
  signed = await mapLimited(notificationRecipes, { atATime: 8 }, (recipe) =>
    signNotification(recipe, ingresses.clients),
  )
  recipes = fc.sample(requestRecipe({ notifications }), { seed, numRuns: requests })
  await sendAll()
  kept = await ingresses.readKept()
  process.stdout.write(`generated requests: ${JSON.stringify(Object.fromEntries(counts))}\n`)
})
afterAll(async () => {
  await ingresses?.[Symbol.asyncDispose]()
})

async function sendAll(): Promise<void> {
  const verdictOn = createProtocolModel(ingresses.clients)
  const judge = createAnswerJudge()
  const waiting = recipes.entries()
  const workThrough = async () => {
    await using sender = createSender(ingresses.portOf('ingress'))
    for (const [number, recipe] of waiting) {
      const notification = signed[recipe.notification]
      if (notification === undefined) throw new Error(`no notification ${recipe.notification}`)
      const request = writeRequest(recipe, notification)
      const verdict = verdictOn(request)
      const answer = await untilNotBusy(
        () => sender.send(request),
        () => count('busy'),
      )
      note({ number, recipe, request, verdict, answer })
      const signer =
        verdict.signedFor === null ? 'nobody' : { client: verdict.signedFor, uri: request.target }
      const found = judge.faultsOf(answer, { code: verdict.code, status: 200, signer, withoutBody: false })
      if (found.length > 0) faults.push({ number, faults: [...found, `due: ${verdict.code}`], recipe })
    }
  }
  await Promise.all(Array.from({ length: connections }, workThrough))
  counts.set('signed texts verified', judge.verifiedTexts())
}

function note(one: {
  number: number
  recipe: RequestRecipe
  request: WireRequest
  verdict: Verdict
  answer: WireAnswer
}): void {
  const { number, recipe, request, verdict, answer } = one
  const code = codeOf(answer)
  count(code ?? 'no envelope')
  if (verdict.kept === 'raw') count('valid')
  if (verdict.kept === 'raw' && code !== 'SUCCESS') validRefused.push(number)
  if (isForged(recipe)) count('forged')
  // What was made to be a forgery must not be taken, whatever the model thinks of it.
  if (isForged(recipe) && (code === 'SUCCESS' || verdict.kept !== 'nowhere')) forgedTaken.push(number)
  // And what nobody has touched must not be refused for its head.
  if (recipe.damages.length === 0 && verdict.kept === 'nowhere') validRefused.push(number)
  if (verdict.kept === 'nowhere' || verdict.signedFor === null) return
  const records = verdict.kept === 'raw' ? due.raw : due.quarantine
  const header = (name: string) => joinedHeader(request.headers, name) ?? ''
  const key = recordKey({
    reason: verdict.kept === 'raw' ? null : verdict.kept,
    dialect: verdict.signedFor.dialect,
    requestUri: request.target,
    clientId: header('client-id'),
    requestTime: header('request-time'),
    signature: header('signature'),
    body: request.body,
  })
  records.set(key, (records.get(key) ?? 0) + 1)
}

/** All that tells one record from another. */
function recordKey({ body, ...rest }: RecordFacts): string {
  return JSON.stringify({ ...rest, body: createHash('sha256').update(body).digest('hex') })
}

function keysOf(records: readonly KeptRecord[]): Map<string, number> {
  const found = new Map<string, number>()
  for (const { headers, body, reason } of records) {
    const { dialect, requestUri, clientId, requestTime, signature } = headers
    const key = recordKey({ reason, dialect, requestUri, clientId, requestTime, signature, body })
    found.set(key, (found.get(key) ?? 0) + 1)
  }
  return found
}

test('at least 20,000 requests were sent, of every kind', () => {
  expect(recipes.length).toBeGreaterThanOrEqual(20_000)
  expect(counts.get('valid')).toBeGreaterThan(requests / 3)
  expect(counts.get('forged')).toBeGreaterThan(requests / 10)
  expect(counts.get('busy') ?? 0).toBeLessThan(requests / 10)
  const rare = codes.filter((code) => (counts.get(code) ?? 0) < 10)
  expect(rare).toEqual(['REQUEST_TRAFFIC_EXCEED_LIMIT', 'UNKNOWN_EXCEPTION'])
})

test('every answer has the envelope, the letter and the signature that the protocol asks for', () => {
  expect(faults.slice(0, 5)).toEqual([])
})

test('no valid notification is refused', () => {
  expect(validRefused).toEqual([])
})

test('no forged notification is taken', () => {
  expect(forgedTaken).toEqual([])
})

test('the topics hold what was taken and what was set aside, byte for byte, and nothing else', () => {
  for (const topic of ['raw', 'quarantine'] as const) {
    const found = keysOf(kept[topic])
    expect({ topic, missing: differing(due[topic], found).slice(0, 5) }).toEqual({ topic, missing: [] })
    expect({ topic, foreign: differing(found, due[topic]).slice(0, 5) }).toEqual({ topic, foreign: [] })
  }
})

/** The keys that the second does not count as often as the first. */
function differing(first: ReadonlyMap<string, number>, second: ReadonlyMap<string, number>): string[] {
  return [...first].filter(([key, times]) => second.get(key) !== times).map(([key]) => key)
}
