import { describe, expect, test } from 'vitest'
import {
  type Asked,
  askedNow,
  type Concern,
  inquiriesDue,
  rememberMs,
  standardLimits,
  type Trigger,
  triggers,
} from './due.ts'

const hour = 3_600_000
const minute = 60_000
const now = Date.UTC(2026, 4, 3, 9)
const limits = standardLimits
const registration = { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: null }

const concern = (trigger: Trigger, sinceAgoMs: number): Concern => ({
  registration,
  trigger,
  sinceMs: now - sinceAgoMs,
})
/** Asked so long ago, about all that was signed up to then. */
const asked = (agoMs: number, waitMs = hour, failed = false): Asked => ({
  atMs: now - agoMs,
  waitMs,
  failed,
  coveredMs: now - agoMs,
})
const isDue = (one: Concern, last: Asked | null, nowMs = now) =>
  inquiriesDue([one], { asked: () => last, nowMs, limits }).length === 1

describe('an inquiry is due', () => {
  test.each([
    ['what a person wishes, at once', concern('operator', 0), null, true],
    ['what a person wishes, right after another inquiry', concern('operator', 0), asked(1), true],
    ['a doubt, at once', concern('doubtful', 0), null, true],
    ['a doubt whose signed time is ahead of our clock', concern('doubtful', -40 * hour), null, true],
    [
      'a doubt that an inquiry has not settled, an hour later',
      concern('doubtful', 2 * hour),
      asked(hour),
      true,
    ],
    ['not before that hour', concern('doubtful', 2 * hour), asked(hour - 1), false],
    [
      'a doubt asked about often, after its longer wait',
      concern('doubtful', 99 * hour),
      asked(8 * hour, 8 * hour),
      true,
    ],
    ['not before that wait', concern('doubtful', 99 * hour), asked(8 * hour - 1, 8 * hour), false],
    [
      'a doubt that rose after the last inquiry, an hour after it',
      concern('doubtful', 1),
      asked(hour, 24 * hour),
      true,
    ],
    [
      'not before that hour, however new the doubt',
      concern('doubtful', 1),
      asked(hour - 1, 24 * hour),
      false,
    ],
    [
      'not before its wait, when the sender signs ahead of our clock what it was asked about',
      concern('doubtful', -5 * minute),
      { ...asked(hour, 8 * hour), coveredMs: now + 5 * minute },
      false,
    ],
    [
      'a doubt after inquiries that told nothing of its time, an hour later',
      concern('doubtful', 99 * hour),
      { ...asked(hour, 8 * hour), coveredMs: null },
      true,
    ],
    ['silence of a day', concern('unanswered', 24 * hour), null, true],
    ['not silence of less', concern('unanswered', 24 * hour - 1), null, false],
    ['silence again a day later', concern('unanswered', 72 * hour), asked(24 * hour), true],
    ['not silence within the day', concern('unanswered', 72 * hour), asked(24 * hour - 1), false],
    ['PENDING for a day', concern('pending', 24 * hour), null, true],
    ['not PENDING for less', concern('pending', 24 * hour - 1), null, false],
    ['PENDING daily', concern('pending', 72 * hour), asked(24 * hour), true],
    ['not PENDING twice a day', concern('pending', 72 * hour), asked(24 * hour - 1), false],
  ] as const)('%s', (_, one, last, due) => {
    expect(isDue(one, last)).toBe(due)
  })

  test.each(triggers)('after an inquiry that failed, %s or not, when its own wait is over', (trigger) => {
    const one = concern(trigger, 99 * hour)
    expect(isDue(one, asked(minute, minute, true))).toBe(true)
    expect(isDue(one, asked(minute - 1, minute, true))).toBe(false)
  })

  test('in the order of the concerns, each judged by its own past', () => {
    const concerns = ['M1', 'M2', 'M3'].map((referenceMerchantId) => ({
      ...concern('doubtful', 0),
      registration: { ...registration, referenceMerchantId },
    }))
    const due = inquiriesDue(concerns, {
      asked: ({ referenceMerchantId }) => (referenceMerchantId === 'M2' ? asked(1) : null),
      nowMs: now,
      limits,
    })
    expect(due.map((one) => one.registration.referenceMerchantId)).toEqual(['M1', 'M3'])
  })
})

describe('what is remembered', () => {
  const next = (
    trigger: Trigger,
    last: Asked | null,
    failed = false,
    sinceAgoMs = 99 * hour,
    answeredMs: number | null = null,
  ) => askedNow(concern(trigger, sinceAgoMs), { last, failed, answeredMs, nowMs: now, limits })

  test('while a doubt stays the wait doubles from an hour to a day', () => {
    const waits: number[] = []
    let last: Asked | null = null
    for (let turn = 0; turn < 7; turn++) {
      last = next('doubtful', last)
      waits.push(last.waitMs / hour)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 24, 24])
  })

  test('after failures the wait doubles from a minute, and a success begins anew', () => {
    const waits: number[] = []
    let last: Asked | null = next('pending', null, true)
    for (let turn = 0; turn < 12; turn++) {
      waits.push(last.waitMs / minute)
      last = next('pending', last, true)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440])
    expect(next('pending', last)).toEqual({ atMs: now, waitMs: hour, failed: false, coveredMs: null })
  })

  test.each([
    ['a doubt that rose since begins with an hour again', 'doubtful', 1, hour],
    ['a wish leaves the wait of a doubt as it is', 'operator', 1, 8 * hour],
    ['the daily inquiry leaves it too', 'pending', 99 * hour, 8 * hour],
  ] as const)('%s', (_, trigger, sinceAgoMs, waitMs) => {
    expect(next(trigger, asked(8 * hour, 8 * hour), false, sinceAgoMs).waitMs).toBe(waitMs)
  })

  test.each<[string, Trigger, number | null, number | null]>([
    ['the time of a doubt', 'doubtful', null, now - hour],
    ['the time of the answer, when that is later', 'doubtful', now + minute, now + minute],
    ['of a wish only the time of the answer', 'operator', now + minute, now + minute],
    ['of a wish without an answer what it was', 'operator', null, now - 2 * hour],
  ])('covers %s', (_, trigger, answeredMs, coveredMs) => {
    expect(next(trigger, asked(2 * hour), false, hour, answeredMs).coveredMs).toBe(coveredMs)
  })

  test.each(triggers)('about %s is never forgotten before it would be asked anyway', (trigger) => {
    for (const waitMs of [minute, hour, 8 * hour, 24 * hour]) {
      for (const failed of [false, true]) {
        const last = { atMs: now, waitMs, failed, coveredMs: null }
        const justBefore = now + rememberMs(last, limits) - 1
        expect(isDue(concern(trigger, 99 * hour), last, justBefore)).toBe(true)
      }
    }
  })
})
