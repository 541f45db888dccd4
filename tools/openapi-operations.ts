import type { z } from 'zod'
import type { refusals } from '../services/console/src/answers.ts'
import {
  attemptsShape,
  createdShape,
  endpointDetailShape,
  endpointsShape,
  rotatedShape,
} from '../services/console/src/endpoint-item.ts'
import {
  attemptsQuery,
  createBody,
  listQuery,
  updateBody,
} from '../services/console/src/endpoint-requests.ts'
import { askedShape } from '../services/console/src/endpoint-verification.ts'
import { replayBody, replayShape } from '../services/console/src/replay-routes.ts'
import { publicKeySetShape } from '../services/console/src/well-known.ts'

type OperationAnswer = {
  status: number
  description: string
  schema: z.ZodType
  example: unknown
  headers?: Readonly<Record<string, string>>
}

/** One request that the console answers. An example is what `schema` parses; a test sees to it. */
export type Operation = {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  operationId: string
  summary: string
  description?: string
  /** What the token must be allowed; null: no token is needed. */
  role: 'viewer' | 'operator' | 'admin' | null
  query?: z.ZodObject
  body?: { schema: z.ZodType; examples: Readonly<Record<string, unknown>> }
  answer: OperationAnswer
  /** How else a request may go well. */
  alternative?: OperationAnswer
  /** Beside those of every operation. */
  refusals: readonly (keyof typeof refusals)[]
  /** Whether it takes If-Match. */
  isChange?: boolean
}

const at = '2026-06-01T12:00:00.000Z'

const standard = {
  filters: { eventTypes: null, pspNames: null, productCodes: null },
  limits: { ratePerSecond: null, concurrency: null },
  skipsSuperseded: false,
  keepsResponses: false,
}

const created = {
  endpointId: 'ep-4mJ0cVq2Xw9sTn1B',
  clientId: 'SANDBOX_5Y3J2X2YZ0W903950',
  merchant: 'M-1001',
  revision: 1,
  audience: 'merchant',
  state: 'unverified',
  reason: null,
  target: { type: 'webhook', url: 'https://merchant.example/alerts', headerNames: ['x-shop'] },
  ...standard,
  activeFrom: null,
  secrets: [{ secretId: 's-q8Zr0vU1bYdP', createdAt: at, expiresAt: null }],
  createdAt: at,
  changedAt: at,
  health: { failingSince: null, failures: 0, lastSuccessAt: null, warnedPercent: 0 },
  history: [{ at, by: 'Olga', action: 'created', detail: null }],
}

const active = {
  ...created,
  revision: 2,
  state: 'active',
  activeFrom: '2026-06-01T12:01:00.000Z',
  changedAt: '2026-06-01T12:01:00.000Z',
  history: [
    ...created.history,
    { at: '2026-06-01T12:01:00.000Z', by: 'Olga', action: 'verified', detail: null },
  ],
}

const later = (state: object, action: string, detail: string | null = null) => {
  const entry = { at: '2026-06-02T09:30:00.000Z', by: 'Olga', action, detail }
  return { ...active, revision: 3, changedAt: entry.at, history: [...active.history, entry], ...state }
}

const { history: _, ...listed } = active
const failing = {
  ...listed,
  endpointId: 'ep-Zk7hB3nQ5fRw0aLd',
  merchant: '*',
  state: 'disabled',
  reason: 'failing',
  health: {
    failingSince: '2026-05-27T11:00:00.000Z',
    failures: 214,
    lastSuccessAt: '2026-05-27T10:59:30.000Z',
    warnedPercent: 100,
  },
}

const whole = (description: string, example: unknown) => ({
  status: 200,
  description,
  schema: endpointDetailShape,
  example,
})

const path = '/v1/endpoints/{endpointId}'

export const operations: readonly Operation[] = [
  {
    method: 'POST',
    path: '/v1/endpoints',
    operationId: 'createEndpoint',
    summary: 'Create an endpoint',
    description:
      'It is told nothing until it is verified. The answer holds the secret that verifies its alerts, this once. ' +
      'A merchant has at most 50 endpoints; with the merchant `*` an endpoint is told of every merchant of the client.',
    role: 'operator',
    body: {
      schema: createBody,
      examples: {
        webhook: {
          clientId: created.clientId,
          merchant: created.merchant,
          target: { type: 'webhook', url: created.target.url, headers: { 'x-shop': '7' } },
        },
        everythingSet: {
          clientId: created.clientId,
          merchant: '*',
          audience: 'operator',
          target: { type: 'webhook', url: 'https://acquirer.example/alerts', headers: {} },
          filters: {
            eventTypes: ['entry.approved', 'entry.rejected', 'endpoint.disabled'],
            pspNames: ['GCASH', 'ALIPAY_HK'],
            productCodes: ['IN_STORE_PAYMENT'],
          },
          limits: { ratePerSecond: 20, concurrency: 4 },
          skipsSuperseded: true,
          keepsResponses: true,
        },
        email: {
          clientId: created.clientId,
          merchant: created.merchant,
          target: { type: 'email', address: 'alerts@merchant.example' },
          filters: { eventTypes: ['entry.rejected'] },
        },
      },
    },
    answer: {
      status: 201,
      description: 'It is made, and waits to be verified.',
      schema: createdShape,
      example: { endpoint: created, secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' },
      headers: { Location: 'Where the endpoint is.', ETag: 'Its revision.' },
    },
    refusals: ['bad_request', 'not_found', 'refused', 'too_many'],
  },
  {
    method: 'GET',
    path: '/v1/endpoints',
    operationId: 'listEndpoints',
    summary: 'List endpoints, with how they fare',
    description:
      'Those that are not deleted. `clientId` may be left out by a token that sees every client. ' +
      'Go on with `cursor` = `next` until that is null.',
    role: 'viewer',
    query: listQuery,
    answer: {
      status: 200,
      description: 'A page.',
      schema: endpointsShape,
      example: { endpoints: [listed, failing], next: null },
    },
    refusals: ['bad_query', 'not_found'],
  },
  {
    method: 'GET',
    path,
    operationId: 'getEndpoint',
    summary: 'Look at an endpoint and its audit trail',
    role: 'viewer',
    answer: {
      ...whole('The endpoint; also one that was deleted.', active),
      headers: { ETag: 'Its revision.' },
    },
    refusals: ['not_found'],
  },
  {
    method: 'PATCH',
    path,
    operationId: 'updateEndpoint',
    summary: 'Change settings of an endpoint',
    description:
      'What is not given stays, also inside `target`, `filters` and `limits`; `headers` are replaced as a whole. ' +
      'With another url or address it has to be verified again.',
    role: 'operator',
    body: {
      schema: updateBody,
      examples: {
        filters: { filters: { eventTypes: ['entry.approved'] }, limits: { ratePerSecond: 5 } },
        move: { target: { type: 'webhook', url: 'https://new.merchant.example/alerts' } },
      },
    },
    answer: whole(
      'The endpoint as it is now.',
      later(
        {
          filters: { ...standard.filters, eventTypes: ['entry.approved'] },
          limits: { ratePerSecond: 5, concurrency: null },
        },
        'updated',
        'filters, limits',
      ),
    ),
    refusals: ['bad_request', 'not_found', 'refused', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'POST',
    path: `${path}/verify`,
    operationId: 'verifyEndpoint',
    summary: 'Have an endpoint show that it wants alerts',
    description:
      'Sends the webhook `endpoint.challenge`, signed like every alert; the endpoint answers 2xx with `data.challenge` ' +
      'in the first 4 KiB of its body, within 15 seconds. An e-mail address gets a link when it is entered; this sends it ' +
      'another one, at most five an hour, and whoever follows it makes the endpoint active.',
    role: 'operator',
    answer: whole('It is active; or it was before, and nothing was sent.', active),
    alternative: {
      status: 202,
      description: 'An e-mail with a link is on its way.',
      schema: askedShape,
      example: {
        endpointId: created.endpointId,
        revision: 2,
        message:
          'An e-mail with a link is on its way to the address. Whoever follows it within seven days makes the endpoint active.',
      },
      headers: { ETag: 'Its revision.' },
    },
    refusals: ['bad_request', 'not_found', 'refused', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'POST',
    path: `${path}/rotate-secret`,
    operationId: 'rotateSecret',
    summary: 'Make a new secret for a webhook',
    description:
      'The secret before signs beside the new one for another 24 hours. The new one is told this once. ' +
      'At most three sign at a time: another rotation is refused until the first of them ends.',
    role: 'admin',
    answer: {
      status: 200,
      description: 'The new secret.',
      schema: rotatedShape,
      example: {
        endpointId: active.endpointId,
        revision: 3,
        secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
        secrets: [
          { secretId: 's-x2Lk9aWc7ThN', createdAt: '2026-06-02T09:30:00.000Z', expiresAt: null },
          { ...active.secrets[0], expiresAt: '2026-06-03T09:30:00.000Z' },
        ],
      },
      headers: { ETag: 'Its revision.' },
    },
    refusals: ['bad_request', 'not_found', 'refused', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'POST',
    path: `${path}/disable`,
    operationId: 'disableEndpoint',
    summary: 'Stop telling an endpoint anything',
    description: 'What is under way to it is given up.',
    role: 'operator',
    answer: whole(
      'It is disabled.',
      later({ state: 'disabled', reason: 'by_operator' }, 'disabled', 'by_operator'),
    ),
    refusals: ['bad_request', 'not_found', 'refused', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'POST',
    path: `${path}/enable`,
    operationId: 'enableEndpoint',
    summary: 'Tell a disabled endpoint again',
    description:
      'It is told of what happens from now on; one that was disabled for failing also of what it missed and is not expired.',
    role: 'operator',
    answer: whole(
      'It is active, or unverified where its target was never verified.',
      later({ activeFrom: '2026-06-02T09:30:00.000Z' }, 'enabled', 'by_operator'),
    ),
    refusals: ['bad_request', 'not_found', 'refused', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'DELETE',
    path,
    operationId: 'deleteEndpoint',
    summary: 'Delete an endpoint for good',
    description: 'Target and secrets go; id and audit trail stay.',
    role: 'admin',
    answer: whole(
      'What is left of it.',
      later({ state: 'deleted', target: null, secrets: [], activeFrom: null }, 'deleted'),
    ),
    refusals: ['bad_request', 'not_found', 'changed_meanwhile', 'too_many'],
    isChange: true,
  },
  {
    method: 'GET',
    path: `${path}/attempts`,
    operationId: 'listAttempts',
    summary: 'List the calls that were made to an endpoint',
    description:
      'The latest first: about the last 1,000, for seven days. Go on with `before` = `next` until that is null.',
    role: 'viewer',
    query: attemptsQuery,
    answer: {
      status: 200,
      description: 'A page.',
      schema: attemptsShape,
      example: {
        attempts: [
          {
            alertId: 'a-3V0cPq7xZ1mTn8sWbYkR2d',
            subject: `${created.clientId}/M-1001/S-7`,
            version: 4,
            attempt: 1,
            at: '2026-06-01T12:05:00.420Z',
            durationMs: 420,
            status: 503,
            class: '5xx',
            error: 'server_error',
            response: null,
            isReplay: false,
            nextAttemptAt: '2026-06-01T12:05:05.420Z',
          },
        ],
        next: null,
      },
    },
    refusals: ['bad_query', 'not_found'],
  },
  {
    method: 'POST',
    path: '/v1/replays',
    operationId: 'replayAlerts',
    summary: 'Send alerts once more',
    description:
      'To endpoints that are active now, whether or not they had them: under the same `webhook-id`, with ' +
      '`webhook-replay: true`, some fifty a second. Give at least one of alertIds, merchant, from and eventTypes; ' +
      'what is given narrows the rest. Changes are kept for 30 days, and at most 100,000 alerts go into one replay.',
    role: 'operator',
    body: {
      schema: replayBody,
      examples: {
        oneDay: {
          clientId: created.clientId,
          from: '2026-05-31T00:00:00Z',
          to: '2026-06-01T00:00:00Z',
          dryRun: true,
        },
        oneAlert: { clientId: created.clientId, merchant: 'M-1001', alertIds: ['a-3V0cPq7xZ1mTn8sWbYkR2d'] },
        approvals: {
          clientId: created.clientId,
          endpointId: created.endpointId,
          eventTypes: ['entry.approved'],
          from: '2026-05-31T00:00:00Z',
          replayId: 'after-the-outage',
        },
      },
    },
    answer: {
      status: 202,
      description: 'They are on their way. A dry run is answered 200 with the same members.',
      schema: replayShape,
      example: {
        replayId: 'after-the-outage',
        dryRun: false,
        alerts: 214,
        endpoints: { [created.endpointId]: 214 },
        eventTypes: { 'entry.approved': 214, 'collective.completed': 12 },
        unreadable: 0,
      },
    },
    refusals: ['bad_request', 'not_found', 'refused', 'too_many'],
  },
  {
    method: 'GET',
    path: '/.well-known/signalbox-webhook-keys',
    operationId: 'getWebhookKeys',
    summary: 'The public keys of `v1a` signatures',
    role: null,
    answer: {
      status: 200,
      description: 'Keys that sign now or did lately. Keep them for five minutes at most.',
      schema: publicKeySetShape,
      example: {
        keys: [
          {
            kid: '2026-06',
            kty: 'OKP',
            crv: 'Ed25519',
            alg: 'EdDSA',
            use: 'sig',
            x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
            whpk: 'whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
          },
        ],
      },
    },
    refusals: [],
  },
]
