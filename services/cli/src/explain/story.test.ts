import { expect, test } from 'vitest'
import { merchant, rawLog, type Said } from '../raw-log.fixture.ts'
import { storyLines } from './story-lines.ts'
import { tellStories } from './story.ts'

const told = (said: Parameters<typeof rawLog>[0]) => {
  const { stories } = tellStories(rawLog(said))
  return stories.flatMap((story) => storyLines(story, { merchant, place: 'partition 3' })).join('\n')
}

const pending: Said = {
  signedAt: '2026-11-01T09:00:00Z',
  round: 'R1',
  collective: 'PENDING',
  entries: [
    { psp: 'GCASH', status: 'PENDING' },
    { psp: 'TNG', status: 'PENDING' },
  ],
}
const approved: Said = {
  signedAt: '2026-11-01T11:00:00Z',
  round: 'R1',
  collective: 'PENDING',
  entries: [
    { psp: 'GCASH', status: 'APPROVED' },
    { psp: 'TNG', status: 'PENDING' },
  ],
}
const rejected: Said = {
  ...approved,
  signedAt: '2026-11-01T15:00:00Z',
  entries: [
    { psp: 'GCASH', status: 'REJECTED', reason: 'unclear photo' },
    { psp: 'TNG', status: 'PENDING' },
  ],
}
const again: Said = {
  signedAt: '2026-11-05T09:00:00Z',
  round: 'R2',
  collective: 'PENDING',
  entries: [{ psp: 'GCASH', status: 'PENDING' }],
}

test('a late old snapshot, a reversal and a re-registration read like a story', () => {
  const lateOld: Said = { ...pending, signedAt: '2026-11-01T10:00:00Z', arrivedAt: '2026-11-01T20:00:00Z' }
  const partOld: Said = { ...lateOld, entries: [{ psp: 'TNG', status: 'PENDING' }] }
  const lateMail: Said = { ...approved, signedAt: '2026-11-05T10:00:00Z', collective: 'COMPLETED' }
  expect(told([pending, approved, partOld, lateOld, rejected, again, lateMail])).toMatchInlineSnapshot(`
    "Merchant M1, store S1 (partition 3)

      1. 2026-11-01 09:00:00 UTC, offset 0, n-1
         Alipay+, signed 2026-11-01 09:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT PENDING, TNG/IN_STORE_PAYMENT PENDING.
         applied: Version 1.
           Round R1 begins.
           Collective status: none → PENDING.
           GCASH/IN_STORE_PAYMENT: new, PENDING.
           TNG/IN_STORE_PAYMENT: new, PENDING.

      2. 2026-11-01 11:00:00 UTC, offset 1, n-2
         Alipay+, signed 2026-11-01 11:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT APPROVED, TNG/IN_STORE_PAYMENT PENDING.
         applied: Version 2.
           GCASH/IN_STORE_PAYMENT: PENDING → APPROVED.

      3. 2026-11-01 20:00:00 UTC, offset 2, n-3
         Alipay+, signed 2026-11-01 10:00:00 UTC: round R1, PENDING; TNG/IN_STORE_PAYMENT PENDING.
         stale: An older snapshot: it holds no answers, and 1 is known since record 2. Inside a round answers are only gained, so it came late.

      4. 2026-11-01 20:00:00 UTC, offset 3, n-4
         Alipay+, signed 2026-11-01 10:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT PENDING, TNG/IN_STORE_PAYMENT PENDING.
         repeated: The same was said in record 1. A sender repeats itself until it gets our answer, so nothing changes.

      5. 2026-11-01 15:00:00 UTC, offset 4, n-5
         Alipay+, signed 2026-11-01 15:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT REJECTED (unclear photo), TNG/IN_STORE_PAYMENT PENDING.
         applied: Version 3.
           GCASH/IN_STORE_PAYMENT: APPROVED → REJECTED (unclear photo).
           Flag reversal (warn) is raised: two different answers of one wallet stand within 48 h of each other; an inquiry tells which is right.

      6. 2026-11-05 09:00:00 UTC, offset 5, n-6
         Alipay+, signed 2026-11-05 09:00:00 UTC: round R2, PENDING; GCASH/IN_STORE_PAYMENT PENDING.
         applied: Version 4.
           Round R2 begins.
           GCASH/IN_STORE_PAYMENT: REJECTED (unclear photo) → PENDING.
           Flag reversal is cleared: its condition no longer holds.

      7. 2026-11-05 10:00:00 UTC, offset 6, n-7
         Alipay+, signed 2026-11-05 10:00:00 UTC: round R1, COMPLETED; GCASH/IN_STORE_PAYMENT APPROVED, TNG/IN_STORE_PAYMENT PENDING.
         stale: Round R2 has begun since and decides; late mail of round R1 changes nothing.

    So it stands:
         Version 4, PENDING.
         GCASH/IN_STORE_PAYMENT: PENDING.
         TNG/IN_STORE_PAYMENT: PENDING.
    "
  `)
})

test('an opening, an erasure and what comes after it are told', () => {
  const registration = { referenceMerchantId: merchant, referenceStoreId: 'S1' }
  expect(
    told([
      {
        command: {
          command: 'registration.opened',
          ...registration,
          registrationRequestId: 'R1',
          openedAt: '2026-11-01T08:00:00Z',
          productCodes: ['IN_STORE_PAYMENT'],
        },
        at: '2026-11-01T08:00:01Z',
      },
      approved,
      { command: { command: 'registration.erased', ...registration }, at: '2026-11-02T08:00:00Z' },
      { ...approved, arrivedAt: '2026-11-02T09:00:00Z' },
    ]),
  ).toMatchInlineSnapshot(`
    "Merchant M1, store S1 (partition 3)

      1. 2026-11-01 08:00:01 UTC, offset 0, n-1
         The acquirer opened round R1 at 2026-11-01 08:00:00 UTC for IN_STORE_PAYMENT.
         applied: Version 1.
           Round R1 begins.

      2. 2026-11-01 11:00:00 UTC, offset 1, n-2
         Alipay+, signed 2026-11-01 11:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT APPROVED, TNG/IN_STORE_PAYMENT PENDING.
         applied: Version 2.
           Collective status: none → PENDING.
           GCASH/IN_STORE_PAYMENT: new, APPROVED.
           TNG/IN_STORE_PAYMENT: new, PENDING.

      3. 2026-11-02 08:00:00 UTC, offset 2, n-3
         By command: erase this registration.
         applied: Version 3.
           Content and history are gone from the state; what was signed before now stays out.
           Collective status: PENDING → none.
           GCASH/IN_STORE_PAYMENT: gone.
           TNG/IN_STORE_PAYMENT: gone.

      4. 2026-11-02 09:00:00 UTC, offset 3, n-4
         Alipay+, signed 2026-11-01 11:00:00 UTC: round R1, PENDING; GCASH/IN_STORE_PAYMENT APPROVED, TNG/IN_STORE_PAYMENT PENDING.
         stale: The registration was erased at 2026-11-02 08:00:00 UTC; what was signed before stays out.

    So it stands:
         Version 3, no collective status, erased.
    "
  `)
})

test('what could not be read is told apart, with its reason and place', () => {
  const { stories, setAside } = tellStories(
    rawLog([pending, { body: '{"referenceMerchantId":"M1"}', at: '2026-11-01T12:00:00Z' }]),
  )
  expect(stories).toHaveLength(1)
  expect(setAside).toMatchObject([
    { offset: 1n, reason: 'missing_member', where: 'registrationResult.registrationStatus' },
  ])
})

test('each store of a merchant has its own story', () => {
  const [record] = rawLog([pending])
  const other = rawLog([{ ...pending, round: 'R9' }]).map((one) => ({
    ...one,
    value: Buffer.from(String(one.value).replace('S1', 'S2')),
  }))
  const { stories } = tellStories([...(record === undefined ? [] : [record]), ...other])
  expect(stories.map(({ referenceStoreId, chapters }) => [referenceStoreId, chapters.length])).toEqual([
    ['S1', 1],
    ['S2', 1],
  ])
})
