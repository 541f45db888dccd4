import { setTimeout as delay } from 'node:timers/promises'
import { runLoad, startLoad } from '@signalbox/testkit/load'
import { expect, test, vi } from 'vitest'
import { openIngressUnderLoad, prepareNotifications } from './ingress-under-load.fixture.ts'
import {
  dueBetween,
  longestAnswerMs,
  lostOf,
  recoveredAfterMs,
  sentOf,
  tally,
  unusable,
} from './load-findings.fixture.ts'
import { usualResidentMiB, watchProcess } from './watch-process.fixture.ts'

const perSecond = 500
/** The freeze begins after this many notifications were acknowledged. */
const quietNotifications = 2_000
const frozenMs = 40_000
/** Shorter than the 15 s that are promised, so that the load can end sooner. */
const recoveryLimitMs = 9_000
const answerLimitMs = 3_500
/**
 * How far above its level before the freeze the process may ever get. What waits is bounded, so a longer freeze would
 * take no more; every notification of the freeze kept would be several times as much.
 */
const growthLimitMiB = 96
/** Fills the young generation, which V8 enlarges with the load and hands back to nobody: no matter of the freeze. */
const warmUp = { notifications: 1_000, connections: 512, durationMs: 3_000 }
/** The quiet time, the freeze, the time allowed for recovery, and a moment in which all must be well again. */
const loadMs = 5_000 + frozenMs + recoveryLimitMs + 1_000

test('Kafka frozen for 40 s under 500 requests/s: no false S, every answer within 3.5 s, flat memory, S again by itself', async () => {
  await using ingress = await openIngressUnderLoad({
    env: process.env,
    brokers: 1,
    clientIds: ['SANDBOX_FROZEN', 'SANDBOX_WARM'],
  })
  const [client, warmer] = ingress.clients
  const [broker] = ingress.brokers
  if (client === undefined || warmer === undefined || broker === undefined) {
    throw new Error('there are two clients and a broker')
  }
  const count = (perSecond * loadMs) / 1_000
  const notifications = await prepareNotifications({ folder: ingress.folder, client, count })
  const warming = await prepareNotifications({
    folder: ingress.folder,
    client: warmer,
    count: warmUp.notifications,
  })
  await runLoad({
    port: ingress.port,
    requestsFile: warming.file,
    pace: { kind: 'closed', connections: warmUp.connections },
    durationMs: warmUp.durationMs,
  })
  await using watch = watchProcess(ingress)
  await using load = startLoad({
    port: ingress.port,
    requestsFile: notifications.file,
    // What waits for the deadline needs a connection each.
    pace: { kind: 'open', perSecond, connections: 2_500 },
    durationMs: loadMs,
    answerKey: client.ownPublicKey.export({ type: 'spki', format: 'pem' }).toString(),
    uri: client.uri,
  })
  const quiet = (await ingress.acknowledged()) + quietNotifications
  await vi.waitFor(async () => expect(await ingress.acknowledged()).toBeGreaterThanOrEqual(quiet), {
    timeout: 20_000,
    interval: 50,
  })

  const frozenAt = Date.now()
  await broker.pause()
  await delay(frozenMs)
  await broker.resume()
  const resumedAt = Date.now()
  const record = await load.finished
  await watch[Symbol.asyncDispose]()

  const sent = sentOf(record)
  const frozen = dueBetween(sent, frozenAt, resumedAt)
  const after = dueBetween(sent, resumedAt, Number.POSITIVE_INFINITY)
  const firstSuccess = after.find(({ outcome }) => outcome === 'S')
  const { sights } = watch
  const quietMiB = usualResidentMiB(sights, frozenAt - 2_000, frozenAt)
  const earlyMiB = usualResidentMiB(sights, frozenAt + frozenMs / 4, frozenAt + frozenMs / 2)
  const lateMiB = usualResidentMiB(sights, frozenAt + (frozenMs * 3) / 4, resumedAt)
  const maxMiB = Math.max(...sights.map(({ residentMiB }) => residentMiB))
  const afterMiB = usualResidentMiB(sights, Date.now() - 2_000, Number.POSITIVE_INFINITY)
  const unready = sights.filter(({ at, isReady }) => at > frozenAt && at < resumedAt && !isReady)
  const { raw } = await ingress.readStored()
  const lost = lostOf(sent, { bodyOf: notifications.body, stored: raw })
  report({
    sent: tally(sent),
    frozen: tally(frozen),
    after: tally(after),
    lost: lost.length,
    inLog: raw.length,
    longestAnswerMs: longestAnswerMs(sent),
    firstSuccessMs: (firstSuccess?.dueAt ?? Number.NaN) - resumedAt,
    recoveredAfterMs: recoveredAfterMs(sent, resumedAt),
    firstUnreadyMs: (unready[0]?.at ?? Number.NaN) - frozenAt,
    residentMiB: { quietMiB, earlyMiB, lateMiB, maxMiB, afterMiB },
  })

  expect(sent.length).toBe(count)
  expect(lost.slice(0, 5)).toEqual([])
  expect(unusable(sent).slice(0, 5)).toEqual([])
  expect(longestAnswerMs(sent)).toBeLessThan(answerLimitMs)
  expect(recoveredAfterMs(sent, resumedAt)).toBeLessThanOrEqual(recoveryLimitMs)
  expect(maxMiB - quietMiB).toBeLessThan(growthLimitMiB)
  expect(unready.length).toBeGreaterThan(0)
  expect(sights.at(-1)?.isReady).toBe(true)
  // The freeze did happen: what fell due in it could only be answered U, but for what was still waiting at its end.
  expect(tally(frozen)['U'] ?? 0).toBeGreaterThan((frozen.length * 8) / 10)
})

function report(figures: object): void {
  process.stdout.write(`kafka-frozen-under-load: ${JSON.stringify(figures)}\n`)
}
