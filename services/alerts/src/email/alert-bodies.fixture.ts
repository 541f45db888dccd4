import type { AlertEvent, RegistrationChangedBody } from '@signalbox/contracts/alert'
import fc from 'fast-check'
import type { NewsBody } from './letter.ts'

const registration = { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: 'S1' }
const timestamp = '2026-06-01T08:00:00.123Z'
const endpoint = { endpointId: 'shop-hook', clientId: 'C1', merchant: 'M1' }

export const approved: AlertEvent = {
  type: 'entry.approved',
  pspName: 'KAKAOPAY',
  productCode: 'ONLINE_PAYMENT',
  status: 'APPROVED',
  previousStatus: 'PENDING',
  rejectionReason: null,
}
export const rejected: AlertEvent = {
  ...approved,
  type: 'entry.rejected',
  pspName: 'GCASH',
  status: 'REJECTED',
  rejectionReason: 'The shop front does not show the name <Café & "Söhne">',
}
export const cancelled: AlertEvent = { ...approved, type: 'entry.cancelled', status: 'CANCELLED' }
export const reopened: AlertEvent = {
  ...approved,
  type: 'entry.reopened',
  status: 'PENDING',
  previousStatus: 'REJECTED',
}
export const completed: AlertEvent = {
  type: 'collective.completed',
  pspName: null,
  productCode: null,
  status: 'COMPLETED',
  previousStatus: 'PROCESSING',
  rejectionReason: null,
}

export function changedBody(
  events: AlertEvent[],
  more: Partial<RegistrationChangedBody['data']> = {},
): RegistrationChangedBody {
  return {
    type: 'registration.changed',
    timestamp,
    data: { registration, version: 7, collective: 'PROCESSING', events, ...more },
  }
}

export const flaggedBody: NewsBody = {
  type: 'registration.flagged',
  timestamp,
  data: { registration, version: 8, collective: null, flags: ['final_contradicted', 'late_round'] },
}

export function endpointBody(
  type: 'endpoint.warned' | 'endpoint.disabled' | 'endpoint.enabled',
  of: { reason?: string | null; detail?: string | null; merchant?: string } = {},
): NewsBody {
  const { reason = null, detail = null, merchant = 'M1' } = of
  return { type, timestamp, data: { endpoint: { ...endpoint, merchant }, revision: 4, reason, detail } }
}

/** Texts as an enemy would have them: line ends, controls, markup, half characters, very long words. */
export const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        '\r\nBcc: thief@evil.example\r\n',
        '\r\n\r\n<b>',
        '<script>alert(1)</script>',
        '" onmouseover="x',
        "' & &amp; ]]>",
        '\u001b[2J\u0007\u0085',
        '\u2028\u2029\u202e\u2066',
        '\ud800',
        '=?utf-8?Q?=0D=0ABcc:x?=',
        'ü店🏪',
        'w'.repeat(2_000),
        '店'.repeat(400),
        ' ',
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
)

const hostileOrNull = fc.option(hostileText)

const hostileEvent: fc.Arbitrary<AlertEvent> = fc.record({
  type: fc.constantFrom(approved.type, rejected.type, cancelled.type, reopened.type, completed.type),
  pspName: hostileOrNull,
  productCode: hostileOrNull,
  status: hostileText,
  previousStatus: hostileOrNull,
  rejectionReason: hostileOrNull,
})

/** Bodies of every type in which every text is hostile. */
export const hostileBody: fc.Arbitrary<NewsBody> = fc
  .record({
    type: fc.constantFrom(
      'registration.changed',
      'registration.flagged',
      'endpoint.warned',
      'endpoint.disabled',
      'endpoint.enabled',
    ),
    text: hostileText,
    merchant: hostileText,
    store: hostileOrNull,
    events: fc.array(hostileEvent, { maxLength: 4 }),
    texts: fc.array(hostileText, { maxLength: 3 }),
    next: fc.option(
      hostileText.map((text) => `/v1/registrations?x=${text}`),
      { nil: undefined },
    ),
  })
  .map(({ type, text, merchant, store, events, texts, next }): NewsBody => {
    const named = { clientId: text, referenceMerchantId: merchant, referenceStoreId: store }
    const common = { registration: named, version: 1, collective: store }
    if (type === 'registration.changed') {
      const more = next === undefined ? {} : { next, eventsTotal: events.length + 1 }
      return { type, timestamp: text, data: { ...common, events, flags: texts, ...more } }
    }
    if (type === 'registration.flagged') return { type, timestamp: text, data: { ...common, flags: texts } }
    const endpoint = { endpointId: text, clientId: text, merchant }
    return { type, timestamp: text, data: { endpoint, revision: 1, reason: store, detail: merchant } }
  })
