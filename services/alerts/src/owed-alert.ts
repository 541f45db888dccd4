import assert from 'node:assert/strict'
import { alertId } from '@signalbox/contracts/alert'
import type { RegistrationRef } from '@signalbox/contracts/keys'

/** One alert that is owed: this endpoint has to hear of this version of this registration. */
export type OwedAlert = {
  /** Its `webhook-id` and the id of its job. */
  id: string
  registrationKey: string
  version: number
  endpointId: string
  /** Partition of the change, where the obligation stands. */
  partition: number
  /** When it was first fanned out; its life counts from then. */
  owedSinceMs: number
}

const hourMs = 60 * 60 * 1000

/** How long after its first fan-out an alert is still worth sending. */
export const alertLifeMs = 26 * hourMs

/** Gives the alert its id. */
export function owedAlert(of: Omit<OwedAlert, 'id'>): OwedAlert {
  return { ...of, id: alertId(of) }
}

/** The obligation as one text. Only the key may hold more than letters, digits, - and _, and it stands last. */
export function obligationOf({ endpointId, version, registrationKey }: OwedAlert): string {
  return `${endpointId}|${version}|${registrationKey}`
}

/** Reads it back. */
export function alertOfObligation(
  obligation: string,
  where: { partition: number; owedSinceMs: number },
): OwedAlert {
  const [endpointId, version, registrationKey] = obligation.split('|')
  assert(endpointId !== undefined && version !== undefined && registrationKey !== undefined, obligation)
  return owedAlert({ registrationKey, version: Number(version), endpointId, ...where })
}

/** The ids that a registration's key was made of. */
export function registrationOf(key: string): RegistrationRef {
  const [clientId = '', referenceMerchantId = '', store = ''] = key.split('/').map(decodeURIComponent)
  return { clientId, referenceMerchantId, referenceStoreId: store === '' ? null : store }
}
