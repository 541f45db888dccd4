import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldLog, observations } from './fold-log.fixture.ts'
import { fold } from './fold.ts'
import type { Notification } from './observation.ts'
import { anyHistory, shuffledWithRepeats, soundHistory } from './random-history.fixture.ts'
import { emptyRegistration, type Registration, type View } from './registration.ts'
import { answer, dayMs, erase, forget, hourMs, nothing, open, say, startMs } from './said.fixture.ts'
import type { Statement } from './statement.ts'
import { viewOf } from './view.ts'

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
        const published = outcomes.filter((outcome) => outcome === 'applied' || outcome === 'flagged')
        expect(published).toHaveLength(changes.length)
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
          if (decision.outcome === 'quarantined' || decision.next === null) continue
          expect(decision.moved).toBe(false)
          known = decision.next
        }
      }),
      { numRuns: 200 },
    )
  })
})

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

function foldAll(...statements: Statement[]) {
  let known = emptyRegistration
  const outcomes = statements.map((statement) => {
    const decision = fold(known, statement)
    if (decision.outcome !== 'quarantined') known = decision.next ?? emptyRegistration
    return decision.outcome
  })
  return { outcomes, known }
}

describe('what else stands in the log', () => {
  const completed = say({ atMs: 0, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } })

  test('a round of an unknown registration is opened: `applied`, nothing is visible yet', () => {
    const { outcomes, known } = foldAll(
      open('R1', 0),
      open('R1', 0),
      open('R1', 0, ['A']),
      open('R1', 0, ['A']),
    )
    expect(outcomes).toEqual(['applied', 'repeated', 'stale', 'repeated'])
    expect(known).toMatchObject({ version: 1, view: emptyRegistration.view })
    expect(known.registers.rounds).toMatchObject([{ productCodes: ['A'] }])
  })

  test('a round that was heard before is opened: `stale`, and a state record is due', () => {
    expect(fold(foldAll(completed).known, open('R1', -1))).toMatchObject({ outcome: 'stale', moved: true })
  })

  test('a later round is opened: its collective status is not known yet, entries keep theirs', () => {
    const { outcomes, known } = foldAll(completed, open('R2', 1))
    expect(outcomes).toEqual(['applied', 'applied'])
    expect(known.view).toMatchObject({ collectiveStatus: null, entries: [{ status: 'APPROVED' }] })
  })

  test('a 65th round is opened: quarantine', () => {
    const rounds = Array.from({ length: 64 }, (_, index) => open(`R${index}`, index))
    expect(fold(foldAll(...rounds).known, open('R64', 64))).toEqual({
      outcome: 'quarantined',
      reason: 'too_many_rounds',
    })
  })

  test('the sender was asked: `applied` when it says something new, else `repeated` or `stale`', () => {
    const asked = answer({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'APPROVED' } })
    const again = { ...asked, requestTimeMs: asked.requestTimeMs + dayMs }
    expect(foldAll(completed, asked, again).outcomes).toEqual(['applied', 'stale', 'repeated'])
    expect(foldAll(asked, asked).outcomes).toEqual(['applied', 'repeated'])
    expect(foldAll(say({ atMs: 0, entries: { GCASH: 'PENDING' } }), asked).outcomes).toEqual([
      'applied',
      'applied',
    ])
  })

  test('an inquiry settles a doubt: `flagged`', () => {
    const reversed = say({ atMs: 1, collective: 'COMPLETED', entries: { GCASH: 'CANCELLED' } })
    const asked = answer({ atMs: 2, collective: 'COMPLETED', entries: { GCASH: 'CANCELLED' } })
    expect(foldAll(completed, reversed, asked).outcomes).toEqual(['applied', 'applied', 'flagged'])
  })

  test('an answer and a notification that say the same are two contents', () => {
    expect(foldAll(answer({ atMs: 0 }), say({ atMs: 0, round: 'R1' })).outcomes).toEqual(['applied', 'stale'])
  })

  test('it is erased: a new version without content; older mail is `stale`, newer is heard', () => {
    const erased = foldAll(completed, erase(5)).known
    expect(erased).toMatchObject({
      version: 2,
      view: { ...emptyRegistration.view, erasedAtMs: startMs + 5 },
      registers: { ...nothing, erasedAtMs: startMs + 5 },
    })
    expect(erased.contents).toHaveLength(1)
    for (const said of [completed, say({ atMs: 5 }), answer({ atMs: 5 }), open('R2', 5)]) {
      expect(fold(erased, said)).toEqual({ outcome: 'stale', next: erased, moved: false })
    }
    for (const said of [say({ atMs: 6 }), answer({ atMs: 6 }), open('R2', 6)]) {
      const decision = fold(erased, said)
      expect(decision).toMatchObject({ outcome: 'applied', next: { version: 3, view: { erasedAtMs: null } } })
    }
  })

  test('it is erased again: `applied` with a later time, `repeated` with the same or an earlier one', () => {
    const { outcomes, known } = foldAll(completed, erase(5), erase(5), erase(4), erase(6))
    expect(outcomes).toEqual(['applied', 'applied', 'repeated', 'repeated', 'applied'])
    expect(known).toMatchObject({ version: 3, view: { erasedAtMs: startMs + 6 } })
  })

  test('an old erasure comes after newer mail: it erases that too, once', () => {
    const { outcomes, known } = foldAll(say({ atMs: 9 }), erase(5), say({ atMs: 9 }), erase(5))
    expect(outcomes).toEqual(['applied', 'applied', 'applied', 'repeated'])
    expect(known).toMatchObject({ version: 3, view: { collectiveStatus: 'PENDING', erasedAtMs: null } })
  })

  test('an unknown registration is erased: version 1', () => {
    expect(fold(emptyRegistration, erase(5))).toMatchObject({ outcome: 'applied', next: { version: 1 } })
  })

  test('what was erased 31 days ago and is silent since is forgotten', () => {
    const { known } = foldAll(completed, erase(5))
    const tooEarly = fold(known, forget(5 + 31 * dayMs - 1))
    expect(tooEarly).toEqual({ outcome: 'stale', next: known, moved: false })
    expect(fold(known, forget(5 + 31 * dayMs))).toEqual({
      outcome: 'applied',
      next: null,
      previous: known.view,
      moved: true,
    })
  })

  test.each([
    ['never heard of', []],
    ['not erased', [completed]],
    ['erased and heard again', [completed, erase(5), say({ atMs: 6 })]],
  ])('%s: it is not forgotten', (_, statements) => {
    const { known } = foldAll(...statements)
    for (let times = 0; times < 2; times += 1) {
      expect(fold(known, forget(1_000 * dayMs))).toEqual({ outcome: 'stale', next: known, moved: false })
    }
  })

  test('it is heard of again after it was forgotten: version 1', () => {
    const { outcomes, known } = foldAll(completed, erase(5), forget(32 * dayMs), completed)
    expect(outcomes).toEqual(['applied', 'applied', 'applied', 'applied'])
    expect(known.version).toBe(1)
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
