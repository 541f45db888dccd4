import {
  alertsOfChange,
  type AlertsOwed,
  eventsOf,
  isNews,
} from '@signalbox/alert-endpoints/alerts-of-change'
import type { Endpoint } from '@signalbox/alert-endpoints/endpoint'
import { readChange } from '@signalbox/alert-endpoints/read-change'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import type { ConsumedRecord } from '@signalbox/kafka/consumer'

export type EndpointsOfMerchants = {
  /** The endpoints of some merchants by merchant key, those of the whole client included. */
  ofMerchants(
    merchants: readonly Pick<RegistrationRef, 'clientId' | 'referenceMerchantId'>[],
  ): Promise<ReadonlyMap<string, readonly Endpoint[]>>
}

export type ReadReport = {
  /** A record was looked at. `nobody`: it has something to tell, but no endpoint listens. */
  looked(outcome: 'alerted' | 'nothing' | 'nobody' | 'unreadable'): void
  unreadable(at: { partition: number; offset: string; problem: string }): void
}

/** Creates what decides who is told about the changes of a chunk. Rejects when Redis is away. */
export function createAlertsOfChanges({
  endpoints,
  report,
}: {
  endpoints: EndpointsOfMerchants
  report: ReadReport
}) {
  return async function alertsOfChanges(records: readonly ConsumedRecord[]): Promise<AlertsOwed> {
    const changes = records.flatMap((record) => {
      const read = readChange(record)
      if (read.kind === 'change') return [read]
      // The topic is ours and typed, so this is a bug to be told of; others' alerts do not wait for it.
      const { partition, offset } = record
      report.looked('unreadable')
      report.unreadable({ partition, offset: String(offset), problem: read.problem })
      return []
    })
    const merchants = new Map(
      changes.map(({ change: { registration } }) => [merchantKey(registration), registration]),
    )
    const listening =
      merchants.size === 0
        ? new Map<string, readonly Endpoint[]>()
        : await endpoints.ofMerchants([...merchants.values()])
    const owed = changes.map((caused) => {
      const { registration } = caused.change
      const of = alertsOfChange(caused, listening.get(merchantKey(registration)) ?? [])
      const hasNews = eventsOf(caused.change).some(isNews)
      report.looked(of.alerts.length > 0 ? 'alerted' : hasNews ? 'nobody' : 'nothing')
      return of
    })
    return {
      bodies: owed.flatMap(({ bodies }) => bodies),
      alerts: owed.flatMap(({ alerts }) => alerts),
    }
  }
}
