import { randomInt } from 'node:crypto'
import { type LoadPlan, runLoad } from '@signalbox/testkit/load'
import type { TestClient } from '@signalbox/testkit/signed-notification'
import { expect, test, vi } from 'vitest'
import {
  type IngressUnderLoad,
  type Notifications,
  openIngressUnderLoad,
  prepareNotifications,
} from './ingress-under-load.fixture.ts'
import {
  acceptedWithinMs,
  longestAnswerMs,
  longestWithoutSuccessMs,
  lostOf,
  type Sent,
  sentOf,
  tally,
  unusable,
} from './load-findings.fixture.ts'
import { holdSlowBodies } from './slow-bodies.fixture.ts'
import { beginningOfUnsigned, forgedMark, unsignedKinds, writeUnsigned } from './unsigned-requests.fixture.ts'

/** Modest, so that the good traffic alone is nothing that the machine could fail at. */
const goodPerSecond = 300
/** Well below half of what the ingress takes, however slow the machine: the share that is one's own among two. */
const fewPerSecond = 100
const floodPerSecond = 10 * goodPerSecond
/** A hundred MiB a second. */
const largePerSecond = 100
/** Bodies that never end: many of which hardly anything comes, and such as fill memory before they stall. */
const endlessBodies = [
  { name: 'slow bodies', bodyBytes: 1_000_000, missingBytes: 1_000_000, connections: 500 },
  { name: 'stalled large bodies', bodyBytes: 1_000_000, missingBytes: 1_000, connections: 150 },
  { name: 'stalled small bodies', bodyBytes: 60_000, missingBytes: 1_000, connections: 1_800 },
]
const phaseMs = 2_500
const refusedAtAStretchMs = 1_000

/** What the good traffic and the flood beside it came to. */
type Phase = { name: string; good: Sent[]; flood: Sent[] }

test('an unsigned flood ten times the good traffic: no good one refused for more than 1 s, nothing forged stored', async () => {
  const seed = randomInt(2 ** 31)
  process.stdout.write(`unsigned-flood: seed ${seed}\n`)
  await using ingress = await openIngressUnderLoad({
    env: process.env,
    brokers: 1,
    clientIds: ['SANDBOX_GOOD'],
  })
  const [client] = ingress.clients
  if (client === undefined) throw new Error('there is a client')
  const { folder, port } = ingress
  const goodPerPhase = (goodPerSecond * phaseMs) / 1_000
  const count = goodPerPhase * (unsignedKinds.length + endlessBodies.length + 1)
  const notifications = await prepareNotifications({ folder, client, count })
  const good = (phases: number) =>
    goodPlan({
      ingress,
      client,
      notifications,
      perSecond: goodPerSecond,
      firstRequest: phases * goodPerPhase,
    })

  const phases: Phase[] = []
  const quiet = await runLoad(good(phases.length))
  phases.push(tell({ name: 'quiet', good: sentOf(quiet), flood: [] }))
  for (const kind of unsignedKinds) {
    const requests = await writeUnsigned({ folder, kind, client, seed })
    const perSecond = kind === 'large body' ? largePerSecond : floodPerSecond
    const [goodRecord, floodRecord] = await Promise.all([
      runLoad(good(phases.length)),
      runLoad({
        port,
        requestsFile: requests.file,
        pace: { kind: 'open', perSecond, connections: 64 },
        durationMs: phaseMs,
      }),
    ])
    phases.push(tell({ name: kind, good: sentOf(goodRecord), flood: sentOf(floodRecord) }))
  }
  for (const { name, connections, ...size } of endlessBodies) {
    const beginning = beginningOfUnsigned({ client, seed, ...size })
    await using slow = holdSlowBodies({ port, beginning, connections })
    await vi.waitFor(() => expect(slow.opened()).toBeGreaterThanOrEqual(connections), { timeout: 10_000 })
    const record = await runLoad(good(phases.length))
    phases.push(tell({ name, good: sentOf(record), flood: [] }))
  }

  const stored = await ingress.readStored()
  expect([...stored.raw, ...stored.quarantined].filter((body) => body.includes(forgedMark)).length).toBe(0)
  for (const [index, { good: sent, flood }] of phases.entries()) {
    const bodyOf = (n: number) => notifications.body(index * goodPerPhase + n)
    expect(flood.filter(({ outcome }) => outcome === 'S').length).toBe(0)
    expect(lostOf(sent, { bodyOf, stored: stored.raw }).slice(0, 5)).toEqual([])
    expect([...unusable(sent), ...unusable(flood)].slice(0, 5)).toEqual([])
    expect(sent.filter(({ outcome }) => outcome === 'F').slice(0, 5)).toEqual([])
    expect(longestWithoutSuccessMs(sent)).toBeLessThan(refusedAtAStretchMs)
  }
})

test('one client floods with notifications of its own, validly signed: those of another are still taken', async () => {
  await using ingress = await openIngressUnderLoad({
    env: process.env,
    brokers: 1,
    clientIds: ['SANDBOX_GOOD', 'SANDBOX_GREEDY'],
    // So few that one generator fills it on any machine, and that what waits is long answered when its answer is due.
    settings: { MAX_WAITING: '64' },
  })
  const [client, greedy] = ingress.clients
  if (client === undefined || greedy === undefined) throw new Error('there are two clients')
  const { folder, port } = ingress
  const count = (fewPerSecond * phaseMs) / 1_000
  const notifications = await prepareNotifications({ folder, client, count })
  // Sent again and again: a repeat costs the ingress as much as the first time.
  const repeated = await prepareNotifications({ folder, client: greedy, count: 1_000 })

  const [goodRecord, floodRecord] = await Promise.all([
    runLoad(goodPlan({ ingress, client, notifications, perSecond: fewPerSecond, firstRequest: 0 })),
    runLoad({
      port,
      requestsFile: repeated.file,
      // Always more of them under way than may wait for Kafka.
      pace: { kind: 'closed', connections: 256 },
      durationMs: phaseMs,
    }),
  ])
  const { good, flood } = tell({
    name: 'greedy client',
    good: sentOf(goodRecord),
    flood: sentOf(floodRecord),
  })
  const stored = await ingress.readStored()
  expect(lostOf(good, { bodyOf: notifications.body, stored: stored.raw }).slice(0, 5)).toEqual([])
  expect([...unusable(good), ...unusable(flood)].slice(0, 5)).toEqual([])
  // It was too much for the ingress, and he who sent too much was told so.
  expect(tally(flood)['U'] ?? 0).toBeGreaterThan(0)
  expect(longestWithoutSuccessMs(good)).toBeLessThan(refusedAtAStretchMs)
  const accepted = good.filter(({ outcome }) => outcome === 'S').length
  expect(accepted / good.length).toBeGreaterThan(0.75)
})

function goodPlan(options: {
  ingress: IngressUnderLoad
  client: TestClient
  notifications: Notifications
  perSecond: number
  firstRequest: number
}): LoadPlan {
  const { ingress, client, notifications, perSecond, firstRequest } = options
  return {
    port: ingress.port,
    requestsFile: notifications.file,
    firstRequest,
    pace: { kind: 'open', perSecond, connections: 1_500 },
    durationMs: phaseMs,
    answerKey: client.ownPublicKey.export({ type: 'spki', format: 'pem' }).toString(),
    uri: client.uri,
  }
}

/** Prints how the good traffic fared; that its p99 keeps to its target is for the bench to say. */
function tell(phase: Phase): Phase {
  const { name, good, flood } = phase
  const figures = {
    good: tally(good),
    p50Ms: Math.round(acceptedWithinMs(good, 0.5)),
    p99Ms: Math.round(acceptedWithinMs(good, 0.99)),
    longestAnswerMs: Math.round(longestAnswerMs(good)),
    longestWithoutSuccessMs: Math.round(longestWithoutSuccessMs(good)),
    flood: tally(flood),
  }
  process.stdout.write(`unsigned-flood: ${name}: ${JSON.stringify(figures)}\n`)
  return phase
}
