import { requireFaults } from '@signalbox/embedded/infra'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf, createAnswerJudge, type ExpectedAnswer } from './answers.fixture.ts'
import { bodyCases } from './cases/bodies.fixture.ts'
import type { Case, IngressName } from './cases/case.fixture.ts'
import { headCases } from './cases/head.fixture.ts'
import { keyCases } from './cases/keys.fixture.ts'
import { requestTimeCases } from './cases/request-time.fixture.ts'
import { signatureHeaderCases } from './cases/signature-header.fixture.ts'
import { transportCases } from './cases/transport.fixture.ts'
import { type Ingresses, type KeptRecord, openIngresses } from './ingress.fixture.ts'
import { mapLimited } from './map-limited.fixture.ts'
import { createPlanner, type PlannedRequest } from './request-plan.fixture.ts'
import { statements } from './statements.ts'
import { untilNotBusy } from './until-not-busy.fixture.ts'
import { sendAlone, type WireAnswer } from './wire/connection.fixture.ts'
import { joinedHeader } from './wire/request.fixture.ts'

const startedAtMs = Date.now()
const bodyLimitBytes = 4 * 1024 * 1024
const maxRequestAgeMs = 25 * 60 * 60_000

const cases: readonly Case[] = [
  ...requestTimeCases({ nowMs: startedAtMs }),
  ...signatureHeaderCases(),
  ...keyCases(),
  ...headCases(),
  ...bodyCases({ bodyLimitBytes }),
  ...transportCases(),
]

/** A case that was sent, and what came back each time. */
type Sent = { planned: PlannedRequest; answers: readonly WireAnswer[] }

const settings = new Map<IngressName, Record<string, string>>([
  ['standard', {}],
  [
    'strict',
    {
      MAX_REQUEST_AGE_MS: String(maxRequestAgeMs),
      ACK_DEADLINE_MS: '500',
      MAX_WAITING: '8',
      HEADERS_TIMEOUT_MS: '1000',
      REQUEST_TIMEOUT_MS: '2000',
    },
  ],
  ['prefixed', { PUBLIC_PATH_PREFIX: '/public' }],
])

const judge = createAnswerJudge()
const sent = new Map<Case, Sent>()
const failures = new Map<Case, unknown>()
let ingresses: Ingresses<IngressName>
let kept: { raw: KeptRecord[]; quarantine: KeptRecord[] }

beforeAll(async () => {
  ingresses = await openIngresses({ env: process.env, settings })
  const plan = createPlanner({ clients: ingresses.clients, startedAtMs })
  const send = async (one: Case, number: number) => {
    try {
      const planned = await plan(one.plan, { dialect: one.dialect, number })
      sent.set(one, { planned, answers: await answersTo(one, planned) })
    } catch (error) {
      failures.set(one, error)
    }
  }
  const numbered = [...cases.entries()]
  const calm = numbered.filter(([, { whileFrozen }]) => whileFrozen === undefined)
  await mapLimited(calm, { atATime: 6 }, ([number, one]) => send(one, number))

  // The lonely ones first: after a crowd that was not confirmed nobody may wait for a while.
  const frozen = numbered
    .filter(([, { whileFrozen }]) => whileFrozen !== undefined)
    .toSorted(([, a], [, b]) => (a.whileFrozen?.copies ?? 0) - (b.whileFrozen?.copies ?? 0))
  const [broker] = requireFaults(ingresses.infra).kafka
  await broker?.pause()
  try {
    for (const [number, one] of frozen) await send(one, number)
  } finally {
    await broker?.resume()
  }
  kept = await ingresses.readKept()
})
afterAll(async () => {
  await ingresses?.[Symbol.asyncDispose]()
})

async function answersTo(one: Case, planned: PlannedRequest): Promise<WireAnswer[]> {
  const port = ingresses.portOf(one.on ?? 'standard')
  if (one.whileFrozen !== undefined) {
    const copies = Array.from({ length: one.whileFrozen.copies }, () =>
      sendAlone(port, planned.request, planned.sending),
    )
    const answers = await Promise.all(copies)
    const fitting = answers.find((answer) => codeOf(answer) === one.code)
    return fitting === undefined ? answers : [fitting]
  }
  const answers = []
  for (let time = 0; time < (one.times ?? 1); time++) {
    answers.push(await untilNotBusy(() => sendAlone(port, planned.request, planned.sending)))
  }
  return answers
}

for (const one of cases) {
  test(`${one.by}: ${one.that} (${one.dialect})`, () => {
    if (failures.has(one)) throw failures.get(one)
    const { planned, answers } = sent.get(one) ?? { planned: null, answers: [] }
    if (planned === null) throw new Error('it was not sent')
    expect(answers).not.toEqual([])
    for (const answer of answers) {
      expect(judge.faultsOf(answer, expectedAnswer(one, planned))).toEqual([])
      expect(answer.interim).toEqual(one.interim ?? [])
      const text = answer.bytes.toString('latin1')
      expect((one.hidden ?? []).filter((hidden) => text.includes(hidden))).toEqual([])
    }
    expectKept(one, planned)
  })
}

function expectedAnswer(one: Case, { request, uri }: PlannedRequest): ExpectedAnswer {
  const clientId = joinedHeader(request.headers, 'client-id')
  const client = Object.values(ingresses.clients).find((known) => known.clientId === clientId)
  const expected = { code: one.code, status: one.status ?? 200, withoutBody: request.method === 'HEAD' }
  if (one.signed === 'no') return { ...expected, signer: 'nobody' }
  if (client === undefined) throw new Error(`nobody signs for ${clientId}`)
  return { ...expected, signer: { client, uri, mayBeMissing: one.signed === 'perhaps' } }
}

function expectKept(
  { kept: where, times = 1 }: Case,
  { request, uri, client, time, signatureHeader }: PlannedRequest,
): void {
  if (where === 'perhaps') return
  // No other case has this signature and body.
  const isOfIt = ({ headers, body }: KeptRecord) =>
    headers.signature === signatureHeader && body.equals(request.body)
  const raw = kept.raw.filter(isOfIt)
  const quarantine = kept.quarantine.filter(isOfIt)
  expect(raw).toHaveLength(where === 'raw' ? times : 0)
  expect(quarantine.map(({ reason }) => reason)).toEqual(
    where === 'raw' || where === 'nowhere' ? [] : [where],
  )
  for (const { headers } of [...raw, ...quarantine]) {
    expect(headers).toMatchObject({
      clientId: client.clientId,
      dialect: client.dialect,
      push: client.push,
      requestUri: uri,
      requestTime: time,
      signature: signatureHeader,
    })
  }
}

test('no record is of a request that was not to be kept', () => {
  const known = new Set([...sent.values()].map(({ planned }) => planned.signatureHeader))
  const strangers = [...kept.raw, ...kept.quarantine].filter(({ headers }) => !known.has(headers.signature))
  expect(strangers).toEqual([])
})

test('every statement has a case, every case a title of its own, and there are at least 150', () => {
  expect(new Set<string>(cases.map(({ by }) => by))).toEqual(new Set(Object.keys(statements)))
  const titles = cases.map(({ by, that, dialect }) => `${by}: ${that} (${dialect})`)
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  expect(cases.length).toBeGreaterThanOrEqual(150)
  expect(new Set(cases.map(({ dialect }) => dialect)).size).toBe(2)
})

test('no two requests are the same, so that every record has one case', () => {
  const names = [...sent.values()].map(({ planned: { request, signatureHeader } }) =>
    JSON.stringify([signatureHeader, request.body.toString('latin1'), request.target, request.method]),
  )
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})
