import type { AlertsOwed } from '@signalbox/alert-endpoints/alerts-of-change'
import { type Endpoint, isOwed, isToBeAsked, listensTo } from '@signalbox/alert-endpoints/endpoint'
import type { AlertBody } from '@signalbox/contracts/alert'
import { endpointKey, endpointMerchantKey, readEndpointRecord } from '@signalbox/contracts/endpoint-record'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'
import { endpointSubject, verificationVariant } from '../owed-alert.ts'
import type { EndpointsOfMerchants } from './alerts-of-changes.ts'

/** What operators are told of an endpoint's change, by what its audit trail calls it. */
const eventOfAction = new Map<string, 'endpoint.warned' | 'endpoint.disabled' | 'endpoint.enabled'>([
  ['warned', 'endpoint.warned'],
  ['disabled', 'endpoint.disabled'],
  ['enabled', 'endpoint.enabled'],
  ['recovered', 'endpoint.enabled'],
])

/**
 * Creates what decides who is told about the endpoints of a chunk: operators' endpoints of the client that another one
 * was warned, disabled or enabled; and the address of one that waits for its owner's consent that this is asked for.
 */
export function createAlertsOfEndpoints({ endpoints }: { endpoints: EndpointsOfMerchants }) {
  return async function alertsOfEndpoints(records: readonly ConsumedRecord[]): Promise<AlertsOwed> {
    // One that cannot be read is told of by who follows the endpoints.
    const changed = records.flatMap(({ value }) => {
      const endpoint = value === null ? null : readEndpointRecord(String(value))
      return endpoint === null ? [] : [endpoint]
    })
    const told = changed.flatMap((endpoint) => {
      const last = endpoint.history.at(-1)
      const type = eventOfAction.get(last?.action ?? '')
      return type === undefined ? [] : [{ endpoint, type, detail: last?.detail ?? null }]
    })
    const merchants = new Map(
      told.map(({ endpoint: { clientId, merchant } }) => [
        endpointMerchantKey({ clientId, merchant }),
        { clientId, referenceMerchantId: merchant },
      ]),
    )
    const listening =
      merchants.size === 0
        ? new Map<string, readonly Endpoint[]>()
        : await endpoints.ofMerchants([...merchants.values()])
    const owed = [
      ...told.map((news) => alertsOfNews(news, listening.get(endpointMerchantKey(news.endpoint)) ?? [])),
      ...changed.filter(isToBeAsked).map(verificationOf),
    ]
    return {
      bodies: owed.flatMap(({ bodies }) => bodies),
      alerts: owed.flatMap(({ alerts }) => alerts),
    }
  }
}

type News = {
  endpoint: Endpoint
  type: 'endpoint.warned' | 'endpoint.disabled' | 'endpoint.enabled'
  detail: string | null
}

function alertsOfNews({ endpoint, type, detail }: News, listening: readonly Endpoint[]): AlertsOwed {
  const { endpointId, clientId, merchant, revision, reason, changedAt } = endpoint
  const hearing = listening.filter(
    (other) =>
      other.endpointId !== endpointId &&
      other.audience === 'operator' &&
      isOwed(other, Date.parse(changedAt)) &&
      listensTo(other, { type, pspName: null, productCode: null }),
  )
  if (hearing.length === 0) return { bodies: [], alerts: [] }
  const of = { subject: endpointSubject(endpointKey(endpoint)), version: revision, variant: '' }
  const body: AlertBody = {
    type,
    timestamp: changedAt,
    data: { endpoint: { endpointId, clientId, merchant }, revision, reason, detail },
  }
  return {
    bodies: [{ ...of, body: JSON.stringify(body) }],
    alerts: hearing.map((other) => ({
      ...of,
      endpointId: other.endpointId,
      isLatest: other.skipsSuperseded,
    })),
  }
}

/** Its timestamp tells a later question from this one. */
function verificationOf(endpoint: Endpoint): AlertsOwed {
  const { endpointId, clientId, merchant, revision, changedAt } = endpoint
  const of = {
    subject: endpointSubject(endpointKey(endpoint)),
    version: revision,
    variant: verificationVariant,
  }
  const body: AlertBody = {
    type: 'endpoint.verification',
    timestamp: changedAt,
    data: { endpoint: { endpointId, clientId, merchant }, revision },
  }
  return { bodies: [{ ...of, body: JSON.stringify(body) }], alerts: [{ ...of, endpointId, isLatest: false }] }
}
