import { parseRequestTime } from '@signalbox/alipay/request-time'
import { readNotificationBody } from '@signalbox/contracts/notification-body'
import { naiveOracle, type OracleRecord } from '@signalbox/naive-oracle/naive-oracle'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LifeHistory, Snapshot } from './life-history.ts'
import { createRandom } from './random.ts'
import { formatRequestTime } from './sender-quirks.ts'
import { createSendingPlan, type PlannedSend, type SendingPlan } from './sending-plan.ts'
import { writeBody } from './wording.ts'

const nowMs = Date.UTC(2026, 4, 3, 9, 30)
const dayMs = 24 * 3_600_000
const clients = [
  { clientId: 'SANDBOX_5X00000000000000', dialect: 'alipayplus' as const, merchants: ['2188120000190000'] },
  { clientId: 'SANDBOX_5Y00000000000000', dialect: 'ams' as const, merchants: ['218812000019****'] },
]
const ordinary = {
  seed: 7,
  nowMs,
  clients,
  notifications: 500,
  duplicates: 0.2,
  late: 0.1,
  deltaLists: false,
}

const anyPlan = (limits: { notifications: number } = { notifications: 300 }) =>
  fc
    .record({
      seed: fc.nat(),
      notifications: fc.integer({ min: 1, max: limits.notifications }),
      duplicates: fc.double({ min: 0, max: 0.45, noNaN: true }),
      late: fc.double({ min: 0, max: 0.45, noNaN: true }),
      deltaLists: fc.boolean(),
    })
    .map((options) => ({ options, plan: createSendingPlan({ ...options, nowMs, clients }) }))

describe('of all notifications', () => {
  test('a fifth are duplicates and a tenth late, as asked', () => {
    const { sends } = createSendingPlan(ordinary)
    expect(
      Object.fromEntries(
        Map.groupBy(sends, ({ kind }) => kind)
          .entries()
          .map(([k, of]) => [k, of.length]),
      ),
    ).toEqual({
      first: 350,
      duplicate: 100,
      late: 50,
    })
  })

  test('there are exactly as many as asked, whatever is asked', () => {
    fc.assert(
      fc.property(anyPlan(), ({ options, plan }) => {
        const late = Math.round(options.notifications * options.late)
        const duplicates = Math.round(options.notifications * options.duplicates)
        expect(plan.sends).toHaveLength(options.notifications)
        const firsts = plan.sends.filter(({ kind }) => kind === 'first')
        expect(firsts).toHaveLength(Math.max(1, options.notifications - late - duplicates))
      }),
    )
  })

  test('each is a body that the contract reads, within the documented lengths', () => {
    fc.assert(
      fc.property(anyPlan({ notifications: 60 }), ({ plan }) => {
        for (const { history, snapshot } of plan.sends) {
          const read = readNotificationBody(writeBody(history, snapshot))
          expect(read.kind).toBe('body')
          expect(history.registration.referenceMerchantId.length).toBeLessThanOrEqual(32)
          expect((history.registration.referenceStoreId ?? '').length).toBeLessThanOrEqual(32)
          expect((snapshot.round ?? '').length).toBeLessThanOrEqual(64)
        }
      }),
    )
  })

  test('each is signed less than a day ago and not in the future', () => {
    fc.assert(
      fc.property(anyPlan(), ({ plan }) => {
        for (const { requestTimeMs, snapshot } of plan.sends) {
          expect(requestTimeMs).toBeGreaterThan(nowMs - dayMs)
          expect(requestTimeMs).toBeGreaterThanOrEqual(snapshot.signedAtMs)
          expect(requestTimeMs).toBeLessThanOrEqual(nowMs)
        }
      }),
    )
  })
})

test('the same seed plans the same bytes, at whatever time it is asked', () => {
  const again = createSendingPlan({ ...ordinary, nowMs: nowMs + 12_345_678 })
  expect(bytes(again)).toEqual(bytes(createSendingPlan(ordinary)))
  expect(again.truths).toEqual(createSendingPlan(ordinary).truths)
  expect(bytes(createSendingPlan({ ...ordinary, seed: 8 }))).not.toEqual(bytes(createSendingPlan(ordinary)))
})

test('other seeds make other registrations', () => {
  const both = [1, 2].map((seed) => new Set(names(createSendingPlan({ ...ordinary, seed }))))
  expect(both[0]?.intersection(both[1] ?? new Set())).toEqual(new Set())
})

describe('the order has', () => {
  const { sends } = createSendingPlan({ ...ordinary, notifications: 2_000 })
  const turnOfFirst = new Map<Snapshot, number>()
  for (const [turn, { kind, snapshot }] of sends.entries())
    if (kind === 'first') turnOfFirst.set(snapshot, turn)
  const firstTurn = (snapshot: Snapshot | undefined) =>
    snapshot === undefined ? undefined : turnOfFirst.get(snapshot)

  test('every copy after the first, and late ones after a newer snapshot too', () => {
    for (const [turn, { kind, history, snapshot }] of sends.entries()) {
      const newer = history.snapshots[history.snapshots.indexOf(snapshot) + 1]
      const after = { first: [], duplicate: [snapshot], late: [snapshot, newer] }[kind]
      for (const earlier of after) expect(firstTurn(earlier)).toBeLessThan(turn)
    }
  })

  test('some snapshots that are overtaken by the next', () => {
    const overtaken = sends.filter(({ kind, history, snapshot }, turn) => {
      const newer = firstTurn(history.snapshots[history.snapshots.indexOf(snapshot) + 1])
      return kind === 'first' && newer !== undefined && newer < turn
    })
    expect(overtaken.length).toBeGreaterThan(20)
  })

  test('merchants interleaved', () => {
    const switches = sends.filter((send, turn) => merchantOf(send) !== merchantOf(sends[turn + 1]))
    expect(switches.length).toBeGreaterThan(sends.length * 0.9)
  })

  test('duplicates of both kinds: the same time and a fresh one', () => {
    const duplicates = sends.filter(({ kind }) => kind === 'duplicate')
    const fresh = duplicates.filter(({ requestTimeMs, snapshot }) => requestTimeMs > snapshot.signedAtMs)
    expect(fresh.length).toBeGreaterThan(duplicates.length * 0.2)
    expect(fresh.length).toBeLessThan(duplicates.length * 0.8)
  })
})

describe('a life history', () => {
  const histories = createSendingPlan({ ...ordinary, notifications: 3_000 }).sends.map(
    ({ history }) => history,
  )
  test('only gains finals within a round, and its times rise', () => {
    for (const history of new Set(histories)) {
      const times = history.snapshots.map(({ signedAtMs }) => signedAtMs)
      expect(times).toEqual([...new Set(times)].toSorted((left, right) => left - right))
      for (const snapshots of roundsOf(history)) {
        for (const [index, snapshot] of snapshots.slice(1).entries()) {
          expect(finals(snapshot)).toEqual(
            expect.arrayContaining(snapshots.slice(0, index + 1).flatMap(finals)),
          )
        }
      }
    }
  })

  test('is COMPLETED when every MPP has answered, and only then', () => {
    for (const { snapshots } of histories) {
      for (const { items, collectiveStatus } of snapshots) {
        const complete = items !== null && items.every(({ status }) => status !== 'PENDING')
        expect(collectiveStatus).toBe(complete ? 'COMPLETED' : 'PENDING')
      }
    }
  })

  test('is now and then registered again after a rejection, under another request id', () => {
    const again = histories.filter((history) => roundsOf(history).length > 1)
    expect(again.length).toBeGreaterThan(0)
    for (const history of again) {
      const [first, second] = roundsOf(history)
      expect(first?.at(-1)?.items?.some(({ status }) => status === 'REJECTED')).toBe(true)
      expect(second?.[0]?.opensRound).toBe(true)
    }
  })

  test('comes in both dialects, with and without store, with and without request id', () => {
    const kinds = histories.map(({ dialect, registration, snapshots }) =>
      [
        dialect,
        registration.referenceStoreId === null ? 'online' : 'in store',
        snapshots[0]?.round === null ? 'unnamed' : 'named',
      ].join(),
    )
    expect(new Set(kinds).size).toBe(8)
  })
})

describe('the truth', () => {
  test('is what the last snapshot says, where snapshots list everything', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { sends, truths } = createSendingPlan({ ...ordinary, seed })
        const bySubject = new Map(sends.map(({ history }) => [JSON.stringify(history.registration), history]))
        for (const truth of truths) {
          const snapshots = bySubject.get(JSON.stringify(truth.registration))?.snapshots ?? []
          const said = (snapshots.findLast(({ items }) => items !== null)?.items ?? []).flatMap(
            ({ pspName, productCodes, status, rejectionReason }) =>
              (productCodes ?? ['*']).map((productCode) => ({
                pspName,
                productCode,
                status,
                rejectionReason,
              })),
          )
          expect(truth.collectiveStatus).toBe(snapshots.at(-1)?.collectiveStatus)
          expect(new Set(truth.entries.map((entry) => JSON.stringify(entry)))).toEqual(
            new Set(said.map((entry) => JSON.stringify(entry))),
          )
        }
      }),
      { numRuns: 30 },
    )
  })

  test('is what the rules of state give, in the planned order and in any other', () => {
    fc.assert(
      fc.property(anyPlan({ notifications: 120 }), fc.nat(), ({ plan }, shuffle) => {
        const expected = new Map(
          plan.truths.map(({ registration: id, collectiveStatus, entries }) => [
            JSON.stringify([id.clientId, id.referenceMerchantId, id.referenceStoreId]),
            { collectiveStatus, entries },
          ]),
        )
        for (const sends of [plan.sends, createRandom(shuffle).shuffled(plan.sends)]) {
          const verdict = naiveOracle(sends.map(recordOf))
          expect(verdict.outcomes).not.toContain('quarantined')
          const final = [...verdict.final].map(
            ([key, { collectiveStatus, entries }]) => [key, { collectiveStatus, entries }] as const,
          )
          expect(new Map(final)).toEqual(expected)
        }
      }),
      { numRuns: 60 },
    )
  })
})

function bytes({ sends }: SendingPlan): string[] {
  return sends.map(({ history, snapshot, kind }) => `${kind} ${writeBody(history, snapshot).toString()}`)
}

function names({ truths }: SendingPlan): string[] {
  return truths.map(({ registration }) => JSON.stringify(registration))
}

function merchantOf(send: PlannedSend | undefined): string | undefined {
  return send?.history.registration.referenceMerchantId
}

function roundsOf({ snapshots }: LifeHistory): Snapshot[][] {
  return [...Map.groupBy(snapshots, ({ round }) => round).values()]
}

function finals({ items }: Snapshot): string[] {
  return (items ?? [])
    .filter(({ status }) => status !== 'PENDING')
    .map(({ pspName, productCodes, status }) => [pspName, productCodes, status].join())
}

function recordOf({ history, snapshot, requestTimeMs, quirks }: PlannedSend): OracleRecord {
  const signedMs = parseRequestTime(formatRequestTime(requestTimeMs, quirks.requestTimeForm))
  return {
    body: writeBody(history, snapshot).toString(),
    clientId: history.registration.clientId,
    dialect: history.dialect,
    push: false,
    requestTimeMs: signedMs ?? Number.NaN,
    appendTimeMs: nowMs,
  }
}
