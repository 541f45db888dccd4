import type { z } from 'zod'
import { alertBody } from '../packages/contracts/src/alert.ts'
import { endpointChallenge } from '../services/console/src/endpoint-challenge.ts'

/** One kind of message that an endpoint gets. */
export type WebhookKind = {
  type: string
  summary: string
  description: string
  schema: z.ZodType
  example: unknown
}

const registration = {
  clientId: 'SANDBOX_5Y3J2X2YZ0W903950',
  referenceMerchantId: 'M-1001',
  referenceStoreId: 'S-7',
}
const endpoint = { endpointId: 'ep-4mJ0cVq2Xw9sTn1B', clientId: registration.clientId, merchant: 'M-1001' }

// The last one is for e-mail alone.
export const [registrationChanged, registrationFlagged, endpointChanged] = alertBody.options

/** By type, so that no type of alert is missing. */
const alerts: Record<
  Exclude<z.infer<typeof alertBody>['type'], 'endpoint.verification'>,
  Omit<WebhookKind, 'type'>
> = {
  'registration.changed': {
    summary: 'A registration has news',
    description:
      'One message per version of a registration, with the events that pass the endpoint’s filters. Drop a version that ' +
      'is not newer than the one that you have. When `eventsTotal` is there, `events` are only the first ones, and ' +
      '`next` leads to the whole registration. `flags` are told to operators alone.',
    schema: registrationChanged,
    example: {
      type: 'registration.changed',
      timestamp: '2026-06-01T12:05:00.000Z',
      data: {
        registration,
        version: 4,
        collective: 'COMPLETED',
        events: [
          {
            type: 'entry.approved',
            pspName: 'GCASH',
            productCode: 'IN_STORE_PAYMENT',
            status: 'APPROVED',
            previousStatus: 'PENDING',
            rejectionReason: null,
          },
          {
            type: 'entry.rejected',
            pspName: 'ALIPAY_HK',
            productCode: 'IN_STORE_PAYMENT',
            status: 'REJECTED',
            previousStatus: 'PENDING',
            rejectionReason: 'The business license has expired.',
          },
          {
            type: 'collective.completed',
            pspName: null,
            productCode: null,
            status: 'COMPLETED',
            previousStatus: 'PENDING',
            rejectionReason: null,
          },
        ],
      },
    },
  },
  'registration.flagged': {
    summary: 'A person should look at a registration',
    description: 'To operators. What is known of the registration is in doubt; `flags` say why.',
    schema: registrationFlagged,
    example: {
      type: 'registration.flagged',
      timestamp: '2026-06-01T12:06:00.000Z',
      data: { registration, version: 5, collective: 'COMPLETED', flags: ['reversal'] },
    },
  },
  'endpoint.warned': {
    summary: 'An endpoint keeps failing',
    description:
      'To operators. `detail` is how many percent of the time that it may fail are used up: 50, 75 or 90.',
    schema: endpointChanged,
    example: {
      type: 'endpoint.warned',
      timestamp: '2026-06-03T12:00:00.000Z',
      data: { endpoint, revision: 3, reason: null, detail: '50' },
    },
  },
  'endpoint.disabled': {
    summary: 'An endpoint was disabled',
    description:
      'To operators. `reason` says why: by_operator, gone (it answered 410), failing (it is still tried now and then), ' +
      'or unsubscribed.',
    schema: endpointChanged,
    example: {
      type: 'endpoint.disabled',
      timestamp: '2026-06-06T12:00:00.000Z',
      data: { endpoint, revision: 6, reason: 'failing', detail: 'failing' },
    },
  },
  'endpoint.enabled': {
    summary: 'An endpoint is told again',
    description: 'To operators. It has recovered by itself, or a person has enabled it.',
    schema: endpointChanged,
    example: {
      type: 'endpoint.enabled',
      timestamp: '2026-06-06T18:00:00.000Z',
      data: { endpoint, revision: 7, reason: null, detail: null },
    },
  },
}

/** Everything that is sent to a webhook. */
export const webhookKinds: readonly WebhookKind[] = [
  ...Object.entries(alerts).map(([type, alert]) => ({ type, ...alert })),
  {
    type: 'endpoint.challenge',
    summary: 'Show that you are there and want alerts',
    description: 'Sent by `verifyEndpoint`, once. Answer 2xx with the text of `data.challenge` in the body.',
    schema: endpointChallenge,
    example: {
      type: 'endpoint.challenge',
      timestamp: '2026-06-01T12:01:00.000Z',
      data: { endpointId: endpoint.endpointId, challenge: 'm9F3o8sVw2LxR7bKc1QhTz6YdPnAe4Uj' },
    },
  },
]
