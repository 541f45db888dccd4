import { expect, test, vi } from 'vitest'
import { imbalances, isAcknowledged } from '../balance.ts'
import { queryMerchant } from '../final-states.ts'
import { expectedVersions, finalContents, publishedVersions } from '../oracle-comparison.ts'
import { openPipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'
import { readSent } from '../run-facts.ts'

const notifications = 5_000
const ratePerSecond = 200

/** A send is cut when the process dies between the request and the note that it was answered. */
const cutWindowMs = 2_000

test('kill -9 of each service under load loses nothing, doubles nothing and ends in the oracle’s states', async () => {
  await using pipeline = await openPipeline({ env: process.env, sinks: { delayMs: 100 } }) // so that sends are under way when alerts dies
  const { services } = pipeline
  const acknowledged = async () => (await readSent(pipeline)).filter(isAcknowledged).length

  const send = await pipeline.simulate('send', {
    url: pipeline.ingressUrl,
    notifications,
    rate: ratePerSecond,
    duplicates: 0.2,
    late: 0.1,
    seed: 7,
  })
  const kills: { name: string; at: number }[] = []
  // Those that are back at once come first: a killed group member's partitions lie idle for ten seconds.
  for (const [index, name] of (['ingress', 'console', 'processor', 'alerts'] as const).entries()) {
    await vi.waitFor(async () => expect(await acknowledged()).toBeGreaterThan((index + 1) * 500), {
      timeout: 60_000,
      interval: 100,
    })
    kills.push({ name, at: Date.now() })
    await services[name].kill()
    await services[name].start()
  }
  expect(await send.ended).toBe('exit code 0')

  const { facts, balance } = await untilQuiet(pipeline, { deadlineMs: 120_000 })

  // Twice is allowed only to sends that were under way when the alerts process died.
  const alertsKilledAt = kills.find(({ name }) => name === 'alerts')?.at ?? 0
  const answered = facts.deliveries.filter(({ verified }) => verified)
  const doubled = [...Map.groupBy(answered, ({ webhookId }) => webhookId).values()].filter(
    ({ length }) => length > 1,
  )
  for (const [first] of doubled) {
    expect(Math.abs(Date.parse(first?.at ?? '') - alertsKilledAt)).toBeLessThan(cutWindowMs)
  }
  expect(imbalances({ ...balance, alerts: { ...balance.alerts, doubled: 0 } })).toEqual([])
  expect(balance.sent.notifications).toBe(notifications)
  // Each kill came while notifications arrived, and that of the ingress cut some of them.
  const lastSentAt = Math.max(...facts.sent.map(({ at }) => Date.parse(at)))
  expect(kills.filter(({ at }) => at > lastSentAt)).toEqual([])
  expect(balance.sent.attempts).toBeGreaterThan(notifications)

  const expected = expectedVersions(facts)
  expect(publishedVersions(facts)).toEqual(expected)
  const merchants = new Map(
    facts.changes.map(({ registration }) => [
      JSON.stringify([registration.clientId, registration.referenceMerchantId]),
      registration,
    ]),
  )
  const shown = await Promise.all(
    [...merchants.values()].map((merchant) => queryMerchant(pipeline, merchant)),
  )
  expect(new Map(shown.flatMap((states) => [...states]))).toEqual(finalContents(expected))
})
