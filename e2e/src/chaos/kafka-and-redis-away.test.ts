import { requireFaults } from '@signalbox/embedded/infra'
import { expect, test, vi } from 'vitest'
import { imbalances, isAcknowledged } from '../balance.ts'
import { wrongStates } from '../final-states.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'
import { readSent, readTruth } from '../run-facts.ts'

const answerLimitMs = 3_500
const recoveryLimitMs = 15_000

/** Starts a sender whose retries go on for about a minute, so that an outage ends before they do. */
const startSending = (pipeline: Pipeline, options: { notifications: number; seed: number }) =>
  pipeline.simulate('send', {
    ...options,
    url: pipeline.ingressUrl,
    rate: 40,
    hourMs: 2_500,
    concurrency: 256,
  })

test('Kafka stopped: every answer is a U within 3.5 s; Kafka back: S again by itself, nothing lost', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const [broker] = requireFaults(pipeline.infra).kafka
  const send = await startSending(pipeline, { notifications: 600, seed: 11 })
  const acknowledged = async () => (await readSent(pipeline)).filter(isAcknowledged).length
  await vi.waitFor(async () => expect(await acknowledged()).toBeGreaterThan(100), { timeout: 30_000 })

  const stoppedAt = Date.now()
  await broker?.kill()
  const unknown = async () =>
    (await readSent(pipeline)).filter(({ resultCode }) => resultCode === 'UNKNOWN_EXCEPTION').length
  await vi.waitFor(async () => expect(await unknown()).toBeGreaterThan(100), { timeout: 30_000 })
  const startedAgainAt = Date.now()
  await broker?.start()
  const backAt = Date.now()
  await vi.waitFor(
    async () => {
      const since = (await readSent(pipeline)).filter((line) => Date.parse(line.at) > backAt)
      expect(since.some(isAcknowledged)).toBe(true)
    },
    { timeout: recoveryLimitMs },
  )
  expect(await send.ended).toBe('exit code 0')

  const during = (await readSent(pipeline)).filter(
    ({ at }) => Date.parse(at) > stoppedAt && Date.parse(at) < startedAgainAt - answerLimitMs,
  )
  expect(during.length).toBeGreaterThan(50)
  expect(during.filter((line) => line.resultStatus === null || !line.answerVerified)).toEqual([])
  expect(Math.max(...during.map(({ durationMs }) => durationMs))).toBeLessThan(answerLimitMs)

  const { balance } = await untilQuiet(pipeline, { deadlineMs: 90_000 })
  expect(imbalances(balance)).toEqual([])
  expect(await wrongStates(pipeline, await readTruth(pipeline))).toEqual([])
})

test('Redis stopped: the ingress does not notice, the processor waits and continues', async () => {
  await using pipeline = await openPipeline({ env: process.env })
  const [redis] = requireFaults(pipeline.infra).redis
  const send = await startSending(pipeline, { notifications: 400, seed: 12 })
  await vi.waitFor(async () => expect((await readSent(pipeline)).length).toBeGreaterThan(100), {
    timeout: 30_000,
  })

  await redis?.kill()
  const before = (await readSent(pipeline)).length
  await vi.waitFor(async () => expect((await readSent(pipeline)).length).toBeGreaterThan(before + 200), {
    timeout: 30_000,
  })
  await redis?.start()
  expect(await send.ended).toBe('exit code 0')

  // Not one attempt was answered with anything but S: all went through at the first try.
  expect((await readSent(pipeline)).filter((line) => !isAcknowledged(line))).toEqual([])
  const { balance } = await untilQuiet(pipeline, { deadlineMs: 90_000 })
  expect(imbalances(balance)).toEqual([])
  expect(await wrongStates(pipeline, await readTruth(pipeline))).toEqual([])
})
