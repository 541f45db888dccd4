import type { Alert, AlertEvent, RegistrationRef } from '@signalbox/webhook-receiver/alert'
import type { Handled } from '@signalbox/webhook-receiver/receive-alert'

/** What is printed of a request: a line with its id and outcome, and below it what it says. */
export function linesOf(
  outcome: Handled['outcome'],
  { at, id, status }: { at: string; id: string; status: number },
): string[] {
  const head = (what: string) =>
    `${at.slice(11, 19)}  ${id === '' ? 'without id' : id}: ${what}, answered ${status}`
  switch (outcome.kind) {
    case 'alert': {
      const replay = outcome.isReplay ? ', a replay' : ''
      return [head(`${outcome.alert.type}${replay}`), ...alertLines(outcome.alert)]
    }
    case 'older': {
      const newest = `Version ${outcome.newestVersion} was here before`
      return [
        head('older'),
        ...(outcome.late === null
          ? [`  ${newest}, and nothing of this one is news.`]
          : [`  ${newest}. Still news of this one:`, ...alertLines(outcome.late)]),
      ]
    }
    case 'repeat':
      return [head(outcome.isReplay ? 'replay' : 'repeat'), '  It was here before; nothing to do.']
    case 'busy':
      return [head('busy'), '  Another alert about the same is being worked on; this one comes again.']
    case 'challenge':
      return [head('challenge'), '  The console asks whether this endpoint wants alerts. It was told yes.']
    case 'unknown_type':
      return [
        head(outcome.type),
        '  This version does not know the type:',
        `  ${JSON.stringify(outcome.body)}`,
      ]
    case 'refused':
      return [head(`refused (${outcome.why})`), `  ${outcome.problem}`]
    case 'failed':
      break
  }
  return [head('failed'), `  ${String(outcome.error)}`]
}

function alertLines(alert: Alert): string[] {
  if (alert.type === 'registration.changed') {
    const { registration, version, collective, events, flags = [], eventsTotal, next } = alert.data
    return [
      `  ${nameOf(registration)}: version ${version}, collective ${collective ?? 'not reported'}.`,
      ...events.map((event) => `  ${eventLine(event)}`),
      ...(eventsTotal === undefined
        ? []
        : [`  ${events.length} of ${eventsTotal} events; all: ${next ?? ''}`]),
      ...(flags.length === 0 ? [] : [`  Flags: ${flags.join(', ')}.`]),
    ]
  }
  if (alert.type === 'registration.flagged') {
    const { registration, version, flags } = alert.data
    return [`  ${nameOf(registration)}: version ${version}. Flags: ${flags.join(', ') || 'none'}.`]
  }
  const { endpoint, revision, reason, detail } = alert.data
  const why = [reason, detail].filter((text) => text !== null).join(': ')
  return [
    `  Endpoint ${endpoint.endpointId} of ${endpoint.merchant === '*' ? 'every merchant' : `merchant ${endpoint.merchant}`} ` +
      `(client ${endpoint.clientId}): revision ${revision}${why === '' ? '' : `, ${why}`}.`,
  ]
}

function nameOf({ clientId, referenceMerchantId, referenceStoreId }: RegistrationRef): string {
  const store = referenceStoreId === null ? '' : `, store ${referenceStoreId}`
  return `Merchant ${referenceMerchantId}${store} (client ${clientId})`
}

function eventLine(event: AlertEvent): string {
  if (event.type === 'unknown_event')
    return `An event that this version does not know: ${JSON.stringify(event.sent)}`
  const what = event.type === 'collective.completed' ? 'Collective' : `${event.pspName}/${event.productCode}`
  const reason = event.rejectionReason === null ? '' : ` (${event.rejectionReason})`
  return `${what}: ${event.previousStatus ?? 'new'} → ${event.status}${reason}.`
}
