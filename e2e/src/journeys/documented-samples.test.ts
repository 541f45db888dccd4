import { alertBody, eventTypesOf } from '@signalbox/contracts/alert'
import { registrationKey } from '@signalbox/contracts/keys'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Balance, imbalances, isAcknowledged } from '../balance.ts'
import { wrongStates } from '../final-states.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'
import { type RunFacts, readTruth } from '../run-facts.ts'

let pipeline: Pipeline
let facts: RunFacts
let balance: Balance
let sendEnded: string

beforeAll(async () => {
  // What a user has exported for a deployment of theirs must not reach a run, which would work on their queue.
  vi.stubEnv('QUEUE_REDIS_URL', 'redis://127.0.0.1:1')
  vi.stubEnv('KAFKA_BROKERS', '127.0.0.1:1')
  vi.stubEnv('KAFKA_TLS', 'true')
  pipeline = await openPipeline({ env: process.env })
  const send = await pipeline.simulate('send', { url: pipeline.ingressUrl, notifications: 0, seeds: true })
  sendEnded = await send.ended
  const quiet = await untilQuiet(pipeline, { deadlineMs: 60_000 })
  balance = quiet.balance
  facts = quiet.facts
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await pipeline?.[Symbol.asyncDispose]()
})

test('both samples are sent, and the books balance', () => {
  expect(sendEnded).toBe('exit code 0')
  expect(imbalances(balance)).toEqual([])
})

const samples = [
  {
    name: 'the Alipay+ sample',
    dialect: 'alipayplus',
    merchant: '2188120000190000',
    entries: [
      {
        pspName: 'ALIPAY_CN',
        productCode: 'CASHIER_PAYMENT',
        status: 'APPROVED',
        previousStatus: null,
        rejectionReason: null,
      },
      {
        pspName: 'ALIPAY_CN',
        productCode: 'IN_STORE_PAYMENT',
        status: 'REJECTED',
        previousStatus: null,
        rejectionReason: 'rejectionReason message',
      },
    ],
    events: ['entry.approved', 'entry.rejected', 'collective.completed'],
  },
  {
    name: 'the AMS sample',
    dialect: 'ams',
    merchant: '218812000019****',
    entries: [
      {
        pspName: 'ALIPAY_CN',
        productCode: '*',
        status: 'APPROVED',
        previousStatus: null,
        rejectionReason: null,
      },
    ],
    events: ['entry.approved', 'collective.completed'],
  },
]

describe.each(samples)('$name', ({ dialect, merchant, entries, events }) => {
  test('is answered with a signed S that verifies', () => {
    const lines = facts.sent.filter((line) => line.merchant === merchant)
    expect(lines).toHaveLength(1)
    expect(lines.filter(isAcknowledged)).toHaveLength(1)
  })

  test('is kept byte for byte with its dialect', () => {
    const [record, ...others] = facts.raw.filter(({ headers }) => headers.dialect === dialect)
    expect(others).toEqual([])
    expect(record?.bodySha256).toBe(facts.sent.find((line) => line.merchant === merchant)?.bodySha256)
  })

  test('becomes one change with its entries', () => {
    const changes = facts.changes.filter(({ registration }) => registration.referenceMerchantId === merchant)
    expect(changes).toHaveLength(1)
    expect(changes[0]).toMatchObject({
      version: 1,
      collectiveStatus: 'COMPLETED',
      previousCollectiveStatus: null,
      entries,
    })
  })

  test('reaches the merchant’s endpoint and the client’s wildcard as verified webhooks', () => {
    const deliveries = facts.deliveries.filter(({ body }) => body.includes(merchant))
    expect(deliveries).toHaveLength(2)
    for (const kind of ['merchant-', 'wildcard-']) {
      expect(deliveries.filter(({ endpointId }) => endpointId.startsWith(kind))).toHaveLength(1)
    }
    expect(deliveries.filter(({ verified }) => !verified)).toEqual([])
    for (const { body, headers, webhookId } of deliveries) {
      const alert = alertBody.parse(JSON.parse(body))
      expect(alert).toMatchObject({
        type: 'registration.changed',
        data: { version: 1, collective: 'COMPLETED' },
      })
      expect(eventTypesOf(alert).toSorted()).toEqual(events.toSorted())
      expect(headers['webhook-id']).toBe(webhookId)
    }
  })
})

test('the query API shows both in the shape of inquiryRegistrationStatus', async () => {
  const truth = await readTruth(pipeline)
  expect(truth.map(({ registration }) => registrationKey(registration))).toHaveLength(2)
  expect(await wrongStates(pipeline, truth)).toEqual([])
})
