import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { alertId } from '@signalbox/contracts/alert'
import { parseRegistrationKey, type RegistrationRef } from '@signalbox/contracts/keys'

/** One alert that is owed: this endpoint has to hear of this version of this subject. */
export type OwedAlert = {
  /** Its `webhook-id`, and the id of its job when that is its own. */
  id: string
  /** A registration's key, or an endpoint's as `endpointSubject` makes it. */
  subject: string
  /** Of an endpoint: its revision. */
  version: number
  endpointId: string
  /** Which body of the change it has: '' for the one with all events, else a short text without `|`. */
  variant: string
  /** Partition of the change, where obligation, marker and receipt stand. */
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

/** The obligation as one text. The subject may hold more than letters, digits, - and _, so it stands last. */
export function obligationOf(of: Pick<OwedAlert, 'endpointId' | 'version' | 'variant' | 'subject'>): string {
  return `${of.endpointId}|${of.version}|${of.variant}|${of.subject}`
}

/** Reads it back. */
export function alertOfObligation(
  obligation: string,
  where: { partition: number; owedSinceMs: number },
): OwedAlert {
  const [endpointId, version, variant, subject] = obligation.split('|')
  assert(endpointId !== undefined && variant !== undefined && subject !== undefined, obligation)
  return owedAlert({ subject, version: Number(version), endpointId, variant, ...where })
}

/** An alert and its first job: one that it has together with others of its endpoint, or, null, one of its own. */
export type OwedInBatch = { alert: OwedAlert; batchId: string | null }

/** By the id of the first job. */
export function byFirstJob(owed: readonly OwedInBatch[]): Map<string, OwedInBatch[]> {
  return Map.groupBy(owed, ({ alert, batchId }) => batchId ?? alert.id)
}

/** Names a batch, which is the id of its job: the same alerts have the same. */
export function batchIdOf(obligations: readonly string[]): string {
  return `b-${hash('sha256', obligations.join('\n'), 'base64url').slice(0, 22)}`
}

const ofEndpoint = 'endpoint:'

/** The subject of an alert about an endpoint. No registration's key holds a colon, so it cannot be one. */
export function endpointSubject(endpointKey: string): string {
  return `${ofEndpoint}${endpointKey}`
}

/** The variant of the alert that asks the owner of an e-mail address to confirm it: the only one that an endpoint gets about itself. */
export const verificationVariant = 'verification'

/** Whether it is that alert. */
export function isVerification({ subject, variant }: Pick<OwedAlert, 'subject' | 'variant'>): boolean {
  return variant === verificationVariant && subject.startsWith(ofEndpoint)
}

/** The registration that an alert is about; null when it is about an endpoint. */
export function registrationOf(subject: string): RegistrationRef | null {
  return subject.startsWith(ofEndpoint) ? null : parseRegistrationKey(subject)
}
