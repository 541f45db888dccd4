import type { AlertBody, AlertEvent, RegistrationChangedBody } from '@signalbox/contracts/alert'
import type { registrationRef } from '@signalbox/contracts/registration-change'
import type { z } from 'zod'
import { plainLine, shortened } from './plain-line.ts'

/**
 * What an e-mail says, before it is laid out as plain text and as HTML. Texts of merchants and partners stand in it as
 * they came: whoever lays them out makes them harmless.
 */
export type Letter = {
  subject: string
  /** What this is about, in a sentence or two. */
  opening: string[]
  /** Names and values, in the order in which a reader wants them. */
  facts: Fact[]
  events: EventLine[]
  /** What follows for the reader. */
  nextSteps: string[]
  /** What the reader is to follow, if anything. */
  link: { label: string; url: string } | null
  closing: string[]
  unsubscribe: { label: string; url: string } | null
}

export type Fact = { name: string; value: string }

/** One thing that happened: a sentence, and what belongs to it. */
export type EventLine = { sentence: string; facts: Fact[] }

type Registration = z.infer<typeof registrationRef>
type Links = { unsubscribeUrl: string; publicUrl: string }
type FlaggedBody = Extract<AlertBody, { type: 'registration.flagged' }>
/** What `verificationLetter` is for has no news. */
export type NewsBody = Exclude<AlertBody, { type: 'endpoint.verification' }>
type EndpointBody = Exclude<NewsBody, RegistrationChangedBody | FlaggedBody>

/** Of one name in a subject, which mail programs cut anyway. */
const maxNameInSubject = 40
/** Characters. A line of an e-mail has at most 998 bytes. */
const maxLink = 900

/** The e-mail of an alert. Says the same for the same body and links. */
export function letterOfAlert(body: NewsBody, links: Links): Letter {
  const common = {
    closing: ['This e-mail was sent by a program. Nobody reads an answer to it.'],
    unsubscribe: { label: 'Stop these e-mails', url: links.unsubscribeUrl },
  }
  if (body.type === 'registration.changed') return { ...common, ...changed(body, links) }
  if (body.type === 'registration.flagged') return { ...common, ...flagged(body) }
  return { ...common, ...ofEndpoint(body) }
}

/** The e-mail that asks the owner of an address to confirm it. */
export function verificationLetter(of: {
  endpoint: { endpointId: string; clientId: string; merchant: string }
  url: string
  expiresAtMs: number
}): Letter {
  return {
    subject: 'Please confirm your e-mail address for alerts',
    opening: [
      'Somebody entered this address for alerts about payment registrations. Alerts begin when you confirm it.',
    ],
    facts: endpointFacts(of.endpoint),
    events: [],
    nextSteps: [
      `Open the link and press the button on its page. It works until ${momentOf(new Date(of.expiresAtMs).toISOString())}.`,
      'If you do not expect this, do nothing: without your confirmation no alerts are sent to you.',
    ],
    link: { label: 'Confirm this address', url: of.url },
    closing: ['This e-mail was sent by a program. Nobody reads an answer to it.'],
    unsubscribe: null,
  }
}

type Told = Pick<Letter, 'subject' | 'opening' | 'facts' | 'events' | 'nextSteps' | 'link'>

function changed({ timestamp, data }: RegistrationChangedBody, { publicUrl }: Links): Told {
  const { registration, events, eventsTotal = events.length, flags = [] } = data
  const [only] = eventsTotal === 1 ? events : []
  const news = only === undefined ? `${eventsTotal} changes` : newsOf(only)
  return {
    link: linkToAll(data.next, publicUrl),
    subject: `${news}: ${nameInSubject(registration)}`,
    opening: [
      eventsTotal === 1
        ? `There is news about the registration of ${nameOf(registration)}.`
        : `There is news about the registration of ${nameOf(registration)}: ${eventsTotal} changes.`,
    ],
    facts: [
      ...factsOf(registration),
      ...(flags.length === 0 ? [] : [flagsFact(flags)]),
      ...statusFacts(data),
      ...timeFacts(timestamp),
    ],
    events: events.map((event) => ({ sentence: sentenceOf(event), facts: factsOfEvent(event) })),
    nextSteps: [
      ...new Set(events.map(({ type }) => wordsOfEvents[type].nextStep)),
      ...(eventsTotal === events.length
        ? []
        : [`This e-mail tells the first ${events.length} of ${eventsTotal} changes. Look the others up.`]),
      'E-mails can arrive in another order than they were sent: the one with the greatest version is true now.',
    ],
  }
}

/** Left out when it would not stay whole in a line of an e-mail. */
function linkToAll(next: string | undefined, publicUrl: string): Letter['link'] {
  if (next === undefined || !/^\/[\x21-\x7e]*$/.test(next)) return null
  const url = publicUrl.replace(/\/+$/, '') + next
  return url.length > maxLink ? null : { label: 'All changes (asks for a token of the API)', url }
}

function flagged({ timestamp, data }: FlaggedBody): Told {
  const { registration, flags } = data
  return {
    subject: `Please look at ${nameInSubject(registration)}`,
    opening: [`An operator should look at the registration of ${nameOf(registration)}.`],
    facts: [...factsOf(registration), flagsFact(flags), ...statusFacts(data), ...timeFacts(timestamp)],
    events: [],
    link: null,
    nextSteps: ['Look the registration up in the console before anybody relies on its status.'],
  }
}

/** What happened, for the subject, in a sentence, and what follows. */
const wordsOfEvents: Record<
  AlertEvent['type'],
  { news: (what: string) => string; sentence: (wallet: string, product: string) => string; nextStep: string }
> = {
  'entry.approved': {
    news: (what) => `Approved: ${what}`,
    sentence: (wallet, product) => `${wallet} has approved ${product}.`,
    nextStep: 'Approved: nothing is left to do for this product.',
  },
  'entry.rejected': {
    news: (what) => `Rejected: ${what}`,
    sentence: (wallet, product) => `${wallet} has rejected ${product}.`,
    nextStep:
      'Rejected: put right what the reason names, then register again with a new registration request.',
  },
  'entry.cancelled': {
    news: (what) => `Cancelled: ${what}`,
    sentence: (wallet, product) => `The registration of ${product} with ${wallet} is cancelled.`,
    nextStep: 'Cancelled: if you did not ask for this, ask your acquirer. To have it back, register again.',
  },
  'entry.reopened': {
    news: (what) => `Open again: ${what}`,
    sentence: (wallet, product) =>
      `${wallet} has not decided yet about ${product}: what was decided before no longer holds.`,
    nextStep: 'Open again: wait for the answer. You will be told.',
  },
  'collective.completed': {
    news: () => 'All wallets have answered',
    sentence: () => 'All wallets have answered.',
    nextStep: 'All wallets have answered: look at each answer, because an answer may also be a rejection.',
  },
}

function newsOf(event: AlertEvent): string {
  return wordsOfEvents[event.type].news(shortened(productAndWallet(event), maxNameInSubject))
}

function sentenceOf({ type, pspName, productCode }: AlertEvent): string {
  const product = productCode === null ? 'a product' : `the product ${productCode}`
  return wordsOfEvents[type].sentence(pspName ?? 'A wallet', product)
}

function factsOfEvent(event: AlertEvent): Fact[] {
  const { pspName, productCode, status, previousStatus, rejectionReason, type } = event
  return [
    ...optional('Wallet', pspName),
    ...optional('Product', productCode),
    { name: 'Status', value: status },
    ...optional('Status before', previousStatus),
    ...(type === 'entry.rejected'
      ? [{ name: 'Reason', value: rejectionReason || 'none was given' }]
      : optional('Reason', rejectionReason)),
  ]
}

function productAndWallet({ pspName, productCode }: AlertEvent): string {
  return [pspName, productCode].filter((part) => part !== null).join(' ')
}

const wordsOfEndpoints: Record<
  EndpointBody['type'],
  { news: string; sentence: (endpointId: string) => string; nextStep: (reason: string | null) => string }
> = {
  'endpoint.warned': {
    news: 'Alerts keep failing',
    sentence: (endpointId) =>
      `No alert has reached the endpoint ${endpointId} for a long time. If this goes on, it will be disabled.`,
    nextStep: () => 'Look at its attempts in the console, and tell whoever runs it.',
  },
  'endpoint.disabled': {
    news: 'Disabled',
    sentence: (endpointId) => `The endpoint ${endpointId} is disabled.`,
    nextStep: (reason) =>
      reason === 'failing'
        ? 'One alert is tried from time to time; when it arrives, the endpoint is enabled again. What expires until then can be replayed.'
        : 'No alerts are sent to it. When its owner wants them again, enable it in the console. What it missed can be replayed.',
  },
  'endpoint.enabled': {
    news: 'Works again',
    sentence: (endpointId) => `The endpoint ${endpointId} takes alerts again.`,
    nextStep: () => 'Nothing is left to do. What expired while it failed can be replayed.',
  },
}

function ofEndpoint({ type, timestamp, data }: EndpointBody): Told {
  const { endpoint, reason, detail, revision } = data
  const { news, sentence, nextStep } = wordsOfEndpoints[type]
  return {
    subject: `${news}: endpoint ${shortened(endpoint.endpointId, maxNameInSubject)}`,
    opening: [sentence(endpoint.endpointId)],
    facts: [
      ...endpointFacts(endpoint),
      ...optional('Reason', reason === null ? null : (reasons.get(reason) ?? reason)),
      ...detailFacts(type, detail === reason ? null : detail),
      { name: 'Revision', value: String(revision) },
      ...timeFacts(timestamp),
    ],
    events: [],
    link: null,
    nextSteps: [nextStep(reason)],
  }
}

/** The detail of a warning is a number: percent of the time for which an endpoint may fail. */
function detailFacts(type: EndpointBody['type'], detail: string | null): Fact[] {
  if (type === 'endpoint.warned' && detail !== null && /^[0-9]{1,3}$/.test(detail)) {
    return [{ name: 'Failing for', value: `${detail} % of the time after which it is disabled` }]
  }
  return optional('Detail', detail)
}

/** Why an endpoint is disabled, in words. */
const reasons = new Map([
  ['by_operator', 'an operator disabled it'],
  ['gone', 'it said that it is no more'],
  ['failing', 'alerts failed for too long'],
  ['unsubscribed', 'its owner asked for no more e-mails'],
])

function nameOf({ referenceStoreId, referenceMerchantId }: Registration): string {
  return referenceStoreId === null
    ? `the merchant ${referenceMerchantId}`
    : `the store ${referenceStoreId} of the merchant ${referenceMerchantId}`
}

function nameInSubject({ referenceStoreId, referenceMerchantId }: Registration): string {
  const merchant = `merchant ${shortened(referenceMerchantId, maxNameInSubject)}`
  return referenceStoreId === null
    ? merchant
    : `store ${shortened(referenceStoreId, maxNameInSubject)} of ${merchant}`
}

function factsOf({ clientId, referenceMerchantId, referenceStoreId }: Registration): Fact[] {
  return [
    { name: 'Merchant', value: referenceMerchantId },
    ...optional('Store', referenceStoreId),
    { name: 'Client', value: clientId },
  ]
}

function endpointFacts(of: { endpointId: string; clientId: string; merchant: string }): Fact[] {
  return [
    { name: 'Endpoint', value: of.endpointId },
    { name: 'Merchant', value: of.merchant === '*' ? 'every merchant of the client' : of.merchant },
    { name: 'Client', value: of.clientId },
  ]
}

function statusFacts({ version, collective }: { version: number; collective: string | null }): Fact[] {
  return [...optional('Overall status', collective), { name: 'Version', value: String(version) }]
}

function flagsFact(flags: readonly string[]): Fact {
  return { name: 'Flags', value: flags.join(', ') }
}

function timeFacts(timestamp: string): Fact[] {
  return [{ name: 'Time', value: momentOf(timestamp) }]
}

/** To the second, in UTC; a time that cannot be read stays as it is. */
function momentOf(timestamp: string): string {
  const [, day, time] = /^([0-9-]{10})T([0-9:]{8})(?:\.[0-9]+)?Z$/.exec(timestamp) ?? []
  return day === undefined ? plainLine(timestamp) : `${day} ${time} UTC`
}

function optional(name: string, value: string | null): Fact[] {
  return value === null || value === '' ? [] : [{ name, value }]
}
