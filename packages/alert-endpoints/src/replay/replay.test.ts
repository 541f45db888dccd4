import { alertId } from '@signalbox/contracts/alert'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { encodeChange, type RegistrationChange } from '@signalbox/contracts/registration-change'
import type { ConsumedRecord } from '@signalbox/kafka/partition-reader'
import { expect, test } from 'vitest'
import type { Endpoint } from '../endpoint.ts'
import { planReplay, type ReplayChoice, type ReplayJob, replayJobId, runReplay } from './replay.ts'

const longAgo = '2025-01-01T00:00:00.000Z'
const startMs = Date.UTC(2026, 0, 2)

const endpointOf = (differs: Partial<Endpoint>): Endpoint => ({
  endpointId: 'one',
  clientId: 'client',
  merchant: '*',
  revision: 1,
  audience: 'merchant',
  target: { type: 'webhook', url: 'https://merchant.example/', headers: {} },
  filters: { eventTypes: null, pspNames: null, productCodes: null },
  limits: { ratePerSecond: null, concurrency: null },
  skipsSuperseded: false,
  keepsResponses: false,
  state: 'active',
  reason: null,
  activeFrom: longAgo,
  secrets: [],
  createdAt: longAgo,
  changedAt: longAgo,
  history: [],
  ...differs,
})

function changeOf(version: number, { merchant = 'M', clientId = 'client', status = 'APPROVED' } = {}) {
  const change: RegistrationChange = {
    registration: { clientId, referenceMerchantId: merchant, referenceStoreId: null },
    version,
    collectiveStatus: null,
    previousCollectiveStatus: null,
    entries: [
      { pspName: 'GCASH', productCode: 'A', status, previousStatus: 'PENDING', rejectionReason: null },
    ],
    flags: [],
    cause: { notificationId: 'n', requestTime: 'now', raw: { topic: 'raw', partition: 0, offset: '1' } },
  }
  return change
}

/** A topic of one partition in which each change came a second after the one before. */
function createScene(
  changes: readonly RegistrationChange[],
  endpoints: readonly Endpoint[] = [endpointOf({})],
) {
  const records = changes.map((change, index): ConsumedRecord => {
    const timestampMs = startMs + index * 1_000
    const { key, value, headers } = encodeChange(change, { timeMs: timestampMs, traceparent: null })
    return {
      topic: 'changes',
      partition: 0,
      offset: BigInt(index),
      timestampMs,
      key,
      value: Buffer.from(value),
      headers: new Map(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)])),
      bytes: 0,
    }
  })
  const jobs: ReplayJob[] = []
  const bodies = new Map<string, string>()
  const ports = {
    topic: 'changes',
    partitions: 1,
    reader: {
      async *read({ from, to }: { from: bigint; to: bigint }) {
        yield records.filter(({ offset }) => offset >= from && offset < to)
      },
      bounds: async () => ({ start: 0n, end: BigInt(records.length) }),
      offsetAt: async ({ timeMs }: { timeMs: number }) =>
        BigInt(records.filter((record) => record.timestampMs < timeMs).length),
    },
    view: {
      ofMerchants: async (merchants: readonly { clientId: string; referenceMerchantId: string }[]) =>
        new Map(merchants.map((of) => [merchantKey(of), endpoints])),
    },
    bodies: {
      async keep(
        replayId: string,
        kept: readonly { subject: string; version: number; variant: string; body: string }[],
      ) {
        for (const of of kept) bodies.set(`${replayId} ${of.version} ${of.variant} ${of.subject}`, of.body)
      },
    },
    queue: {
      async add(more: readonly ReplayJob[]) {
        jobs.push(...more)
      },
    },
    now: () => startMs,
  }
  const run = (choice: Partial<ReplayChoice> = {}, { perSecond = 50 } = {}) =>
    runReplay(ports, { clientId: 'client', ...choice }, { replayId: 'again', perSecond })
  return { ports, jobs, bodies, run }
}

const idOf = (change: RegistrationChange, endpointId = 'one') =>
  alertId({ subject: registrationKey(change.registration), version: change.version, endpointId })

test('an alert is sent again under its id, from a job and a body of its own', async () => {
  const change = changeOf(3)
  const { run, jobs, bodies } = createScene([change])
  expect((await run()).alerts).toBe(1)
  const subject = registrationKey(change.registration)
  expect(jobs).toEqual([
    {
      jobId: replayJobId('again', idOf(change)),
      delayMs: 0,
      data: {
        subject,
        version: 3,
        endpointId: 'one',
        variant: '',
        partition: 0,
        owedSinceMs: startMs,
        replayId: 'again',
      },
    },
  ])
  expect(jobs[0]?.jobId).toMatch(/^r-[A-Za-z0-9_-]{22}$/)
  expect([...bodies.keys()]).toEqual([`again 3  ${subject}`])
})

test('a dry run counts what a run would send, and adds nothing', async () => {
  const changes = [changeOf(1), changeOf(2, { status: 'REJECTED' }), changeOf(3, { status: 'PENDING' })]
  const { ports, jobs } = createScene(changes, [endpointOf({}), endpointOf({ endpointId: 'two' })])
  expect(await planReplay(ports, { clientId: 'client' })).toEqual({
    alerts: 4,
    endpoints: new Map([
      ['one', 2],
      ['two', 2],
    ]),
    eventTypes: new Map([
      ['entry.approved', 2],
      ['entry.rejected', 2],
    ]),
    unreadable: 0,
  })
  expect(jobs).toEqual([])
})

const several = [
  changeOf(1),
  changeOf(1, { merchant: 'N' }),
  changeOf(1, { clientId: 'other' }),
  changeOf(2, { status: 'REJECTED' }),
]
const [first = changeOf(1)] = several
const nameOf = (version: number, endpointId: string, merchant = 'M') => `${merchant} ${version} ${endpointId}`

test.each<[string, Partial<ReplayChoice>, string[]]>([
  ['all of the client', {}, [nameOf(1, 'one'), nameOf(1, 'one', 'N'), nameOf(2, 'one')]],
  ['a merchant', { merchant: 'N' }, [nameOf(1, 'one', 'N')]],
  ['alerts by their ids', { alertIds: [idOf(first)] }, [nameOf(1, 'one')]],
  ['an event type', { eventTypes: ['entry.rejected'] }, [nameOf(2, 'one')]],
  ['from a time', { fromMs: startMs + 1_000 }, [nameOf(1, 'one', 'N'), nameOf(2, 'one')]],
  ['up to a time', { toMs: startMs + 1_000 }, [nameOf(1, 'one')]],
  ['an endpoint', { endpointId: 'other' }, []],
])('a replay chooses %s', async (_, choice, chosen) => {
  const { run, jobs } = createScene(several)
  await run(choice)
  const names = jobs.map(({ data }) => nameOf(data.version, data.endpointId, data.subject.split('/')[1]))
  expect(names).toEqual(chosen)
})

test('endpoints that are not in use, or were not yet when it happened, get nothing', async () => {
  const { run } = createScene(
    [changeOf(1)],
    [
      endpointOf({ state: 'disabled', reason: 'failing' }),
      endpointOf({ endpointId: 'late', activeFrom: new Date(startMs + 1).toISOString() }),
    ],
  )
  expect((await run()).alerts).toBe(0)
})

test('a change that stands in the log twice is sent once, and a replay is spread over time', async () => {
  const versions = Array.from({ length: 450 }, (_, index) => changeOf(index + 1))
  const { run, jobs } = createScene([...versions, ...versions])
  expect((await run({}, { perSecond: 10 })).alerts).toBe(450)
  expect(jobs).toHaveLength(450)
  expect(jobs.map(({ delayMs }) => delayMs)).toEqual(jobs.map((_, index) => index * 100))
})

test('a replay of too many alerts is refused before it has sent any', async () => {
  const endpoints = Array.from({ length: 1_000 }, (_, index) => endpointOf({ endpointId: `e${index}` }))
  const changes = Array.from({ length: 101 }, (_, index) => changeOf(index + 1))
  const { run, jobs } = createScene(changes, endpoints)
  await expect(run()).rejects.toThrow('more than 100000')
  expect(jobs).toEqual([])
})
