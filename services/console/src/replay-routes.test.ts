import { ReplayTooLarge } from '@signalbox/alert-endpoints/replay'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createConsoleApp, nowMs } from './console-app.fixture.ts'
import { createMemoryEndpoints } from './memory-endpoints.fixture.ts'
import { replayShape } from './replay-routes.ts'

let endpoints: ReturnType<typeof createMemoryEndpoints>
let console: ReturnType<typeof createConsoleApp>

beforeEach(async () => {
  endpoints = createMemoryEndpoints({ now: () => nowMs })
  await endpoints.add({ endpointId: 'ep-1', clientId: 'C1' })
  await endpoints.add({ endpointId: 'ep-2', clientId: 'C2' })
  console = createConsoleApp({}, { endpoints: endpoints.ports })
})
afterEach(() => console.app.close())

const ask = (body: object, token = 'one-operator') => console.ask('POST', '/v1/replays', token, body)
const errorAnswer = z.object({ error: z.object({ message: z.string() }) })
const said = (answer: { json(): unknown }) => errorAnswer.parse(answer.json()).error.message

const day = { clientId: 'C1', from: '2026-05-31T02:00:00+02:00', to: '2026-06-01T00:00:00Z' }

test('a dry run counts and sends nothing', async () => {
  const answer = await ask({ ...day, dryRun: true })
  expect([answer.statusCode, replayShape.parse(answer.json())]).toEqual([
    200,
    {
      replayId: null,
      dryRun: true,
      alerts: 2,
      endpoints: { 'ep-1': 2 },
      eventTypes: { 'entry.approved': 2 },
      unreadable: 0,
    },
  ])
  expect(endpoints.replayed).toEqual([])
})

test('a replay sends what was chosen, under a name that is told and logged', async () => {
  const which = { merchant: 'M1', endpointId: 'ep-1', eventTypes: ['entry.approved'], alertIds: ['a-1'] }
  const answer = await ask({ ...day, ...which }, 'all-operator')
  expect(answer.statusCode).toBe(202)
  const { replayId } = replayShape.parse(answer.json())
  expect(endpoints.replayed).toEqual([
    { clientId: 'C1', ...which, fromMs: Date.UTC(2026, 4, 31), toMs: Date.UTC(2026, 5, 1), replayId },
  ])
  expect(console.logged().find(({ msg }) => msg === 'operator.action')).toMatchObject({
    action: 'alerts.replayed',
    token: 'Olga',
    dryRun: false,
    replayId,
    alerts: 2,
  })
})

test('a replay that is given a name keeps it, so that it can be asked for again', async () => {
  await ask({ ...day, replayId: 'friday-evening' })
  expect(endpoints.replayed).toMatchObject([{ replayId: 'friday-evening' }])
})

test.each([
  [
    'nothing chosen',
    { clientId: 'C1' },
    400,
    'Say what to replay: give at least one of alertIds, merchant, from and eventTypes.',
  ],
  ['only an end', { clientId: 'C1', to: day.to }, 400, 'Say what to replay'],
  [
    'an end before its beginning',
    { clientId: 'C1', from: day.to, to: day.from },
    400,
    'The member to must be later than from.',
  ],
  [
    'a time without offset',
    { clientId: 'C1', from: '2026-06-01T00:00:00' },
    400,
    'The member from must be a time with its offset',
  ],
  [
    'what happens to endpoints',
    { ...day, eventTypes: ['endpoint.warned'] },
    400,
    'The member eventTypes[0] must be one of entry.approved',
  ],
  [
    'too many alerts named',
    { clientId: 'C1', alertIds: Array.from({ length: 101 }, () => 'a-1') },
    400,
    'at most 100 ids',
  ],
  ['an unknown member', { ...day, endpoint: 'ep-1' }, 400, 'not known here'],
  ['a short name', { ...day, replayId: 'x' }, 400, 'The member replayId must have 8 to 64'],
  ['a foreign client', { ...day, clientId: 'C2' }, 404, 'No such client is known.'],
  ['a foreign endpoint', { ...day, endpointId: 'ep-2' }, 404, 'No such endpoint is known.'],
  ['an unknown endpoint', { ...day, endpointId: 'ep-9' }, 404, 'No such endpoint is known.'],
])('with %s it is refused in words', async (_, body, status, message) => {
  const answer = await ask(body)
  expect(answer.statusCode).toBe(status)
  expect(said(answer)).toContain(message)
  expect(endpoints.replayed).toEqual([])
})

test('an endpoint of another client is not found, also by who sees both', async () => {
  expect((await ask({ ...day, endpointId: 'ep-2' }, 'admin')).statusCode).toBe(404)
})

test('one that is too large is refused with the reason', async () => {
  endpoints.fail(new ReplayTooLarge('It would send more than 100000 alerts: choose a shorter time.'))
  const answer = await ask(day)
  expect([answer.statusCode, said(answer)]).toEqual([
    409,
    'It would send more than 100000 alerts: choose a shorter time.',
  ])
})

test('one that is not confirmed says under which name to ask again', async () => {
  endpoints.fail(new Error('Redis is away'))
  const [run, dry] = [await ask({ ...day, replayId: 'friday-evening' }), await ask({ ...day, dryRun: true })]
  expect([run.statusCode, dry.statusCode]).toEqual([503, 503])
  expect(said(run)).toContain('the replayId friday-evening')
  expect(said(dry)).toBe('The changes cannot be read at the moment. Ask again.')
  expect(`${run.body}${dry.body}`).not.toContain('Redis')
})

test('a third at the same time has to wait', async () => {
  const held = Promise.withResolvers<void>()
  const { replays } = endpoints.ports
  endpoints.ports.replays = {
    ...replays,
    async plan(choice) {
      await held.promise
      return replays.plan(choice)
    },
  }
  const asked = [1, 2, 3].map(() => ask({ ...day, dryRun: true }))
  const first = await Promise.race(asked)
  expect([first.statusCode, first.headers['retry-after']]).toEqual([429, '5'])
  held.resolve()
  const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode)
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 200, 429])
  expect((await ask({ ...day, dryRun: true })).statusCode).toBe(200)
})
