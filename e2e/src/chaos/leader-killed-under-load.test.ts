import { randomInt } from 'node:crypto'
import { startLoad } from '@signalbox/testkit/load'
import { expect, test, vi } from 'vitest'
import { openIngressUnderLoad, prepareNotifications } from './ingress-under-load.fixture.ts'
import {
  dueBetween,
  longestAnswerMs,
  lostOf,
  recoveredAfterMs,
  type Sent,
  sentOf,
  tally,
  unusable,
} from './load-findings.fixture.ts'

const perSecond = 500
/** A kill falls into each load when it has begun to flow. */
const loadMs = 16_000
const flowing = 1_000
const answerLimitMs = 3_500
/** Shorter than the 15 s that are promised, so that the load can end sooner. */
const recoveryLimitMs = 12_000
/** Slower than any answer of a healthy cluster; what waits for a new leader is. */
const heldUpMs = 500

test('leaders of a 3-broker cluster killed under load, one after another: every S is in the log, S again by itself', async () => {
  const first = randomInt(3)
  const second = (first + 1 + randomInt(2)) % 3
  process.stdout.write(`leader-killed-under-load: kills brokers ${first + 1}, then ${second + 1}\n`)
  await using ingress = await openIngressUnderLoad({
    env: process.env,
    brokers: 3,
    clientIds: ['SANDBOX_LEADERS'],
  })
  const [client] = ingress.clients
  if (client === undefined) throw new Error('there is a client')
  const perLoad = (perSecond * loadMs) / 1_000
  const notifications = await prepareNotifications({ folder: ingress.folder, client, count: 2 * perLoad })

  const kills: { sent: Sent[]; killedAt: number; bodyOf: (n: number) => string }[] = []
  // Partitions are dealt out evenly, so the first leads four of the twelve. When it is back it leads nothing, and
  // the other two share all twelve.
  for (const [index, broker] of [first, second].entries()) {
    const firstRequest = index * perLoad
    await using load = startLoad({
      port: ingress.port,
      requestsFile: notifications.file,
      firstRequest,
      // What waits for the deadline needs a connection each.
      pace: { kind: 'open', perSecond, connections: 2_500 },
      durationMs: loadMs,
      answerKey: client.ownPublicKey.export({ type: 'spki', format: 'pem' }).toString(),
      uri: client.uri,
    })
    const enough = (await ingress.acknowledged()) + flowing
    await vi.waitFor(async () => expect(await ingress.acknowledged()).toBeGreaterThanOrEqual(enough), {
      timeout: loadMs,
      interval: 50,
    })
    const killedAt = Date.now()
    await ingress.brokers[broker]?.kill()
    const sent = sentOf(await load.finished)
    kills.push({ sent, killedAt, bodyOf: (n) => notifications.body(firstRequest + n) })
    await ingress.brokers[broker]?.start()
  }

  const { raw: stored } = await ingress.readStored()
  for (const { sent, killedAt, bodyOf } of kills) {
    const after = dueBetween(sent, killedAt, Number.POSITIVE_INFINITY)
    const heldUp = after.filter(({ outcome, tookMs }) => outcome !== 'S' || tookMs > heldUpMs)
    const lost = lostOf(sent, { bodyOf, stored })
    const figures = {
      sent: tally(sent),
      after: tally(after),
      heldUp: heldUp.length,
      lost: lost.length,
      inLog: stored.length,
      longestAnswerMs: longestAnswerMs(sent),
      recoveredAfterMs: recoveredAfterMs(sent, killedAt),
    }
    process.stdout.write(`leader-killed-under-load: ${JSON.stringify(figures)}\n`)
    expect(lost.slice(0, 5)).toEqual([])
    expect(unusable(sent).slice(0, 5)).toEqual([])
    expect(longestAnswerMs(sent)).toBeLessThan(answerLimitMs)
    expect(recoveredAfterMs(sent, killedAt)).toBeLessThanOrEqual(recoveryLimitMs)
    // Without a trace of the kill no leader was hit.
    expect(heldUp.length).toBeGreaterThan(0)
  }
})
