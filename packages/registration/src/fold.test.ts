import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldLog, observations } from './fold-log.fixture.ts'
import { alertableEvents, fold } from './fold.ts'
import type { Notification } from './observation.ts'
import { anyHistory, shuffledWithRepeats, soundHistory } from './random-history.fixture.ts'
import { emptyRegistration, type EntryView, type Registration, type View, viewOf } from './registration.ts'

function contentsOf(history: readonly Notification[]) {
  const { registrations } = foldLog(history)
  return new Map([...registrations].map(([key, { registers, view }]) => [key, { registers, view }]))
}

describe('along any log', () => {
  test('versions of a registration rise by exactly one, from 1', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const latest = new Map<string, number>()
        const { changes, registrations } = foldLog(history)
        for (const { key, version } of changes) {
          expect(version).toBe((latest.get(key) ?? 0) + 1)
          latest.set(key, version)
        }
        expect(new Map([...registrations].map(([key, { version }]) => [key, version]))).toEqual(latest)
      }),
      { numRuns: 200 },
    )
  })

  test('the books balance: one outcome a record, one change each time it was applied', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const { outcomes, changes, registrations } = foldLog(history)
        expect(outcomes).toHaveLength(history.length)
        expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(changes.length)
        const versions = [...registrations.values()].map(({ version }) => version)
        expect(versions.reduce((sum, version) => sum + version, 0)).toBe(changes.length)
      }),
      { numRuns: 200 },
    )
  })

  test('two successive versions never show the same, and the last shows what the registers say', () => {
    fc.assert(
      fc.property(soundHistory, (history) => {
        const { changes, registrations } = foldLog(history)
        const views = changes.map(({ view }) => view)
        for (const [index, view] of views.slice(1).entries()) expect(view).not.toEqual(views[index])
        for (const { registers, view } of registrations.values()) expect(view).toEqual(viewOf(registers))
      }),
      { numRuns: 200 },
    )
  })

  test('the change log of a prefix is a prefix of the change log', () => {
    fc.assert(
      fc.property(anyHistory, fc.nat({ max: 30 }), (history, cut) => {
        const ofPrefix = foldLog(history.slice(0, cut)).changes
        expect(foldLog(history).changes.slice(0, ofPrefix.length)).toEqual(ofPrefix)
      }),
      { numRuns: 200 },
    )
  })

  test('every notification three times in random order ends in the same registrations, apart from the version', () => {
    const thrice = anyHistory.chain((history) =>
      fc.record({
        once: fc.constant(history),
        thrice: fc.shuffledSubarray([...history, ...history, ...history], { minLength: 3 * history.length }),
      }),
    )
    fc.assert(
      fc.property(thrice, ({ once, thrice }) => {
        expect(contentsOf(thrice)).toEqual(contentsOf(once))
      }),
      { numRuns: 200 },
    )
  })

  test('a second pass over a log is all `repeated` or `stale` and raises no register', () => {
    const twice = soundHistory.chain((history) =>
      fc.record({ history: fc.constant(history), again: shuffledWithRepeats(history) }),
    )
    fc.assert(
      fc.property(twice, ({ history, again }) => {
        let known = [...foldLog(history).registrations.values()][0] ?? emptyRegistration
        for (const said of observations(again)) {
          const decision = fold(known, said)
          expect(['repeated', 'stale']).toContain(decision.outcome)
          if (decision.outcome === 'quarantined') continue
          expect(decision.moved).toBe(false)
          known = decision.next
        }
      }),
      { numRuns: 200 },
    )
  })
})

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const startMs = Date.UTC(2020, 8, 18)

/** Statuses by pspName, signed so long after the start. */
type Sent = {
  atMs: number
  round?: string | null
  collective?: 'COMPLETED' | 'PENDING'
  entries?: Record<string, string>
}

function notification({ atMs, round = 'R1', collective = 'PENDING', entries = {} }: Sent): Notification {
  return {
    clientId: 'C',
    dialect: 'alipayplus',
    push: false,
    referenceMerchantId: 'M',
    referenceStoreId: 'S',
    registrationRequestId: round,
    requestTimeMs: startMs + atMs,
    appendTimeMs: startMs + atMs,
    collectiveStatus: collective,
    items: Object.entries(entries).map(([pspName, status]) => ({
      pspName,
      status,
      rejectionReason: null,
      productCodes: ['IN_STORE_PAYMENT'],
    })),
  }
}

function after(...sent: Sent[]) {
  const log = sent.map(notification)
  const { outcomes, registrations } = foldLog(log)
  const registration = [...registrations.values()][0] ?? emptyRegistration
  return {
    outcomes,
    registration,
    statuses: Object.fromEntries(registration.view.entries.map(({ pspName, status }) => [pspName, status])),
  }
}

describe('what happens when', () => {
  const pending = { atMs: 0, entries: { GCASH: 'PENDING', TNG: 'PENDING' } }
  const approved = { atMs: hourMs, entries: { GCASH: 'APPROVED', TNG: 'PENDING' } }
  const completed = {
    atMs: 2 * hourMs,
    collective: 'COMPLETED',
    entries: { GCASH: 'APPROVED', TNG: 'REJECTED' },
  } as const

  test('our ack was lost and the sender retries, with the same or a fresh Request-Time: `repeated`', () => {
    const { outcomes, registration } = after(approved, approved, { ...approved, atMs: 25 * hourMs })
    expect(outcomes).toEqual(['applied', 'repeated', 'repeated'])
    expect(registration.version).toBe(1)
  })

  test('a record is redelivered: no register moves, so nothing is due', () => {
    const known = after(pending, approved).registration
    for (const said of observations([notification(pending), notification(approved)])) {
      expect(fold(known, said)).toMatchObject({ outcome: 'repeated', moved: false })
    }
  })

  test('an old snapshot is retried after a newer one: `repeated`', () => {
    const { outcomes, statuses } = after(pending, approved, completed, { ...pending, atMs: 20 * hourMs })
    expect(outcomes).toEqual(['applied', 'applied', 'applied', 'repeated'])
    expect(statuses).toEqual({ GCASH: 'APPROVED', TNG: 'REJECTED' })
  })

  test('an old snapshot comes after a newer one and its first copy never came: `stale`', () => {
    const { outcomes, registration } = after(completed, { ...approved, atMs: 20 * hourMs })
    expect(outcomes).toEqual(['applied', 'stale'])
    expect(registration.version).toBe(1)
  })

  test('the same notification comes through two ingress nodes at once: one `applied`, one `repeated`', () => {
    expect(after(pending, approved, approved).outcomes).toEqual(['applied', 'applied', 'repeated'])
  })

  test('a merchant registers again after a rejection: PENDING is visible, late mail of the old round is `stale`', () => {
    const again = { atMs: 3 * hourMs, round: 'R2', entries: { TNG: 'PENDING' } }
    const late = { atMs: 4 * hourMs, entries: { GCASH: 'PENDING', TNG: 'REJECTED' } }
    const { outcomes, statuses, registration } = after(completed, again, late)
    expect(outcomes).toEqual(['applied', 'applied', 'stale'])
    expect(statuses).toEqual({ GCASH: 'APPROVED', TNG: 'PENDING' })
    expect(registration.view.collectiveStatus).toBe('PENDING')
  })

  const cancelled = { atMs: 2 * hourMs, entries: { GCASH: 'CANCELLED', TNG: 'PENDING' } }

  test('A→B→A within 48 h: the last signed of equal rank is shown', () => {
    const back = { ...approved, atMs: 3 * hourMs }
    expect(after(approved, cancelled).statuses).toEqual({ GCASH: 'CANCELLED', TNG: 'PENDING' })
    expect(after(approved, cancelled, back).statuses).toEqual({ GCASH: 'APPROVED', TNG: 'PENDING' })
    expect(after(back, approved, cancelled).statuses).toEqual({ GCASH: 'APPROVED', TNG: 'PENDING' })
  })

  test('A→B→A further apart: `applied` each time', () => {
    const { outcomes, statuses } = after(
      approved,
      { ...cancelled, atMs: 3 * dayMs },
      { ...approved, atMs: 6 * dayMs },
    )
    expect(outcomes).toEqual(['applied', 'applied', 'applied'])
    expect(statuses).toEqual({ GCASH: 'APPROVED', TNG: 'PENDING' })
  })

  test('our clocks jump: no effect, only signed times count', () => {
    fc.assert(
      fc.property(soundHistory, fc.nat({ max: 1000 * dayMs }), (history, jumpMs) => {
        const jumped = history.map((one) => ({ ...one, appendTimeMs: one.appendTimeMs + jumpMs }))
        expect(foldLog(jumped)).toEqual(foldLog(history))
      }),
    )
  })

  test('it is the very first notification: `applied`, though it shows nothing', () => {
    const said = observations([{ ...notification({ atMs: 0 }), dialect: 'ams', collectiveStatus: null }])[0]
    expect(said && fold(emptyRegistration, said)).toMatchObject({ outcome: 'applied', next: { version: 1 } })
  })

  test('nine different contents have come: the first is forgotten', () => {
    const nine = Array.from({ length: 9 }, (_, index) => ({
      atMs: 0,
      entries: { [`PSP${index}`]: 'PENDING' },
    }))
    const { registration } = after(...nine)
    expect(registration.contents).toHaveLength(8)
    const [first, second] = observations(nine.map(notification))
    expect(first && fold(registration, first)).toMatchObject({ outcome: 'stale' })
    expect(second && fold(registration, second)).toMatchObject({ outcome: 'repeated' })
  })

  test('only time registers move: `repeated`, and a state record is due', () => {
    const known = after(approved).registration
    const [later] = observations([notification({ ...approved, atMs: dayMs })])
    expect(later && fold(known, later)).toMatchObject({ outcome: 'repeated', moved: true })
  })

  test('a 65th round comes: quarantine, and the 64 known ones go on', () => {
    const rounds = Array.from({ length: 64 }, (_, index) => ({ atMs: index, round: `R${index}` }))
    const { outcomes, registration } = after(...rounds, { atMs: 0, round: null })
    expect(outcomes).not.toContain('quarantined')
    const [another, known, outside] = observations(
      ['R64', 'R63', null].map((round) =>
        notification({ atMs: dayMs, round, entries: { GCASH: 'APPROVED' } }),
      ),
    )
    expect(another && fold(registration, another)).toEqual({
      outcome: 'quarantined',
      reason: 'too_many_rounds',
    })
    expect(known && fold(registration, known)).toMatchObject({ outcome: 'applied' })
    expect(outside && fold(registration, outside)).toMatchObject({ outcome: 'applied' })
  })
})

function storedWith(view: Partial<View>): Registration {
  const { registration } = after({ atMs: 0, entries: { GCASH: 'APPROVED' } })
  return { ...registration, view: { ...registration.view, ...view } }
}

describe('a stored view that this fold would not make', () => {
  const [said] = observations([notification({ atMs: 0, entries: { GCASH: 'APPROVED' } })])

  test('with other flags alone: `flagged`, a new version', () => {
    const known = storedWith({ flags: ['reversal'] })
    expect(said && fold(known, said)).toMatchObject({
      outcome: 'flagged',
      next: { version: 2 },
      previous: known.view,
    })
  })

  test('with another state: `applied`, a new version', () => {
    const known = storedWith({ flags: ['reversal'], collectiveStatus: null })
    expect(said && fold(known, said)).toMatchObject({
      outcome: 'applied',
      next: { version: 2 },
      previous: known.view,
    })
  })
})

function view(
  entries: Record<string, EntryView['status']>,
  collectiveStatus: View['collectiveStatus'] = null,
): View {
  return {
    collectiveStatus,
    entries: Object.entries(entries).map(([pspName, status]) => ({
      pspName,
      productCode: '*',
      status,
      rejectionReason: status === 'REJECTED' ? 'expired' : null,
    })),
    flags: [],
  }
}

describe('merchants are told', () => {
  test('of an entry that enters or changes a final, with what it was before', () => {
    const before = view({ GCASH: 'PENDING', TNG: 'APPROVED', DANA: 'APPROVED' })
    const after = view({
      BPI: 'APPROVED',
      DANA: 'APPROVED',
      GCASH: 'REJECTED',
      TNG: 'CANCELLED',
      ZZZ: 'PENDING',
    })
    expect(alertableEvents(before, after)).toEqual([
      {
        kind: 'entry',
        pspName: 'BPI',
        productCode: '*',
        status: 'APPROVED',
        previousStatus: null,
        rejectionReason: null,
      },
      {
        kind: 'entry',
        pspName: 'GCASH',
        productCode: '*',
        status: 'REJECTED',
        previousStatus: 'PENDING',
        rejectionReason: 'expired',
      },
      {
        kind: 'entry',
        pspName: 'TNG',
        productCode: '*',
        status: 'CANCELLED',
        previousStatus: 'APPROVED',
        rejectionReason: null,
      },
    ])
  })

  test('when the collective status becomes COMPLETED, once', () => {
    expect(alertableEvents(view({}, 'PENDING'), view({}, 'COMPLETED'))).toEqual([
      { kind: 'collective_completed' },
    ])
    expect(alertableEvents(view({}, null), view({}, 'COMPLETED'))).toEqual([{ kind: 'collective_completed' }])
    expect(alertableEvents(view({}, 'COMPLETED'), view({}, 'COMPLETED'))).toEqual([])
  })

  test('nothing when an entry or the collective status goes back to PENDING, or only a reason changes', () => {
    expect(
      alertableEvents(view({ GCASH: 'REJECTED' }, 'COMPLETED'), view({ GCASH: 'PENDING' }, 'PENDING')),
    ).toEqual([])
    const rejected = view({ GCASH: 'REJECTED' })
    const otherReason = {
      ...rejected,
      entries: rejected.entries.map((entry) => ({ ...entry, rejectionReason: 'unclear photo' })),
    }
    expect(alertableEvents(rejected, otherReason)).toEqual([])
  })
})

test('folding leaves what was known as it was', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      const known = [...foldLog(history).registrations.values()][0] ?? emptyRegistration
      const before = JSON.stringify(known)
      for (const said of observations(history))
        fold(known, { ...said, requestTimeMs: said.requestTimeMs + hourMs })
      expect(JSON.stringify(known)).toBe(before)
    }),
  )
})
