import { naiveOracle, type OracleRecord } from '@signalbox/naive-oracle/naive-oracle'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldLog } from './fold-log.fixture.ts'
import type { Notification, NotificationItem } from './observation.ts'
import { anyHistory } from './random-history.fixture.ts'
import type { View } from './registration.ts'

/** How a sender may write the same message. */
type Style = { omitsNull: boolean; reverses: boolean; saysRejectReasons: boolean }

const style: fc.Arbitrary<Style> = fc.record({
  omitsNull: fc.boolean(),
  reverses: fc.boolean(),
  saysRejectReasons: fc.boolean(),
})

function write(notification: Notification, style: Style): OracleRecord {
  const object = (members: Record<string, unknown>) => {
    const written = Object.entries(members).filter(([, value]) => !(style.omitsNull && value === null))
    return Object.fromEntries(style.reverses ? written.toReversed() : written)
  }
  const item = ({ pspName, status, rejectionReason, productCodes }: NotificationItem) =>
    object({
      pspName,
      registrationResult: object({
        registrationStatus: status,
        [style.saysRejectReasons ? 'rejectReasons' : 'rejectionReason']: rejectionReason,
      }),
      productCodes,
    })
  const { clientId, dialect, push, requestTimeMs, appendTimeMs, items } = notification
  const body = object({
    referenceMerchantId: notification.referenceMerchantId,
    referenceStoreId: notification.referenceStoreId,
    registrationRequestId: notification.registrationRequestId,
    registrationResult: object({ registrationStatus: notification.collectiveStatus }),
    pspRegistrationResultList: items.length === 0 ? null : items.map(item),
  })
  return { body: JSON.stringify(body), clientId, dialect, push, requestTimeMs, appendTimeMs }
}

const visible = ({ collectiveStatus, entries }: View) => ({ collectiveStatus, entries })

test('the fold and the naive oracle agree on every outcome, change and final state of any history', () => {
  const history = anyHistory.chain((sent) =>
    fc.record({
      sent: fc.constant(sent),
      styles: fc.array(style, { minLength: sent.length, maxLength: sent.length, size: 'max' }),
    }),
  )
  const met = new Map<string, number>()
  fc.assert(
    fc.property(history, ({ sent, styles }) => {
      const records = styles.flatMap((style, index) => {
        const notification = sent[index]
        return notification === undefined ? [] : [write(notification, style)]
      })
      const oracle = naiveOracle(records)
      const folded = foldLog(sent)
      expect(folded.outcomes).toEqual(oracle.outcomes)
      expect(folded.changes.map(({ key, version, view }) => ({ key, version, ...visible(view) }))).toEqual(
        oracle.changes,
      )
      const final = [...folded.registrations].map(
        ([key, { version, view }]) => [key, { version, ...visible(view) }] as const,
      )
      expect(new Map(final)).toEqual(oracle.final)
      for (const outcome of oracle.outcomes) met.set(outcome, (met.get(outcome) ?? 0) + 1)
    }),
    { numRuns: 300 },
  )
  // Each outcome was met often, or the histories would prove little.
  const seldom = ['applied', 'repeated', 'stale', 'quarantined'].filter(
    (outcome) => (met.get(outcome) ?? 0) < 100,
  )
  expect(seldom).toEqual([])
})
