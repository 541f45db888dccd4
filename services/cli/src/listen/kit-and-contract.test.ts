import { generateKeyPairSync, sign } from 'node:crypto'
import { type AlertBody, alertBody, alertId } from '@signalbox/contracts/alert'
import { alertEventTypes } from '@signalbox/contracts/endpoint-record'
import { encodeKeyPart, registrationKey } from '@signalbox/contracts/keys'
import { createAlertReceiver } from '@signalbox/webhook-receiver/receive-alert'
import { expect, test } from 'vitest'
import { changed } from './listening.fixture.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const nowMs = Date.UTC(2026, 0, 1)
const published = { publicKeys: { keys: [publicKey.export({ format: 'jwk' })] }, endpointId: 'ep-1' }

async function receive(content: AlertBody, id: string) {
  const body = JSON.stringify(alertBody.parse(content))
  const timestamp = String(nowMs / 1000)
  const signature = sign(null, Buffer.from(`${id}.${timestamp}.${body}`), privateKey).toString('base64')
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1a,${signature}`,
  }
  return createAlertReceiver({ published, now: () => nowMs }).receive({ headers, body })
}

const registration = { clientId: 'c/1 *', referenceMerchantId: "M'(店)", referenceStoreId: '\uD800|' }
const entryTypes = ['entry.approved', 'entry.rejected', 'entry.cancelled', 'entry.reopened'] as const
const ofEntry = { pspName: 'TNG', productCode: 'X', status: 'S', previousStatus: null, rejectionReason: 'r' }
const collective = {
  type: 'collective.completed',
  pspName: null,
  productCode: null,
  status: 'COMPLETED',
  previousStatus: 'PENDING',
  rejectionReason: null,
} as const
const events = [...entryTypes.map((type) => ({ type, ...ofEntry })), collective]
const timestamp = '2026-01-02T03:04:05.678Z'
const endpoint = { endpointId: 'ep-9', clientId: 'c/1 *', merchant: '*' }
const ofEndpoint = { timestamp, data: { endpoint, revision: 4, reason: 'failing', detail: null } }

const bodies: AlertBody[] = [
  { ...changed(2), data: { ...changed(2).data, registration, collective: null, events } },
  {
    ...changed(2),
    data: { ...changed(2).data, flags: ['reversal'], eventsTotal: 9, next: '/v1/registrations' },
  },
  {
    type: 'registration.flagged',
    timestamp,
    data: { registration, version: 3, collective: null, flags: [] },
  },
  { type: 'endpoint.warned', ...ofEndpoint },
  { type: 'endpoint.disabled', ...ofEndpoint },
  { type: 'endpoint.enabled', ...ofEndpoint, data: { ...ofEndpoint.data, reason: null, detail: 'x' } },
]

function idOf({ data }: AlertBody): string {
  const endpointId = 'ep-1'
  if ('registration' in data) {
    return alertId({ subject: registrationKey(data.registration), version: data.version, endpointId })
  }
  const { clientId, merchant, endpointId: about } = data.endpoint
  const key = [clientId, merchant, about].map(encodeKeyPart).join('/')
  return alertId({ subject: `endpoint:${key}`, version: data.revision, endpointId })
}

test.each(bodies)('the kit reads what the contract calls $type, and knows its id', async (body) => {
  expect(await receive(body, idOf(body))).toMatchObject({ kind: 'alert', alert: body })
})

test('these are all the types and events that there are', () => {
  const types = bodies.map(({ type }) => type).filter((type) => type !== 'registration.changed')
  expect([...entryTypes, collective.type, ...types].toSorted()).toEqual([...alertEventTypes].toSorted())
})
