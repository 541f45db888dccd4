import {
  type EndpointAction,
  type EndpointRecord,
  type EndpointTarget,
} from '@signalbox/contracts/endpoint-record'

/** Where alerts go, as the latest record says. */
export type Endpoint = EndpointRecord

export type DisableReason = NonNullable<Endpoint['reason']>

/** What an operator decides about an endpoint. */
export type EndpointSettings = Pick<
  Endpoint,
  'audience' | 'filters' | 'limits' | 'skipsSuperseded' | 'keepsResponses'
> & { target: EndpointTarget }

export const standardSettings = {
  audience: 'merchant',
  filters: { eventTypes: null, pspNames: null, productCodes: null },
  limits: { ratePerSecond: null, concurrency: null },
  skipsSuperseded: false,
  keepsResponses: false,
} as const satisfies Omit<EndpointSettings, 'target'>

/** A sealed secret and the name that people call it by; the secret itself is shown once and never kept. */
export type NewSecret = { secretId: string; sealed: string }

/** What can happen to an endpoint. Whether it may is decided by `changeEndpoint`. */
export type EndpointChange =
  /** A new one, to be verified. `secret`: of a webhook, null for others. */
  | {
      kind: 'create'
      endpointId: string
      clientId: string
      merchant: string
      settings: EndpointSettings
      secret: NewSecret | null
    }
  /** As the endpoints file says, verified by whoever wrote it. `secret` null: the one that it has stays. */
  | {
      kind: 'declare'
      endpointId: string
      clientId: string
      merchant: string
      settings: EndpointSettings
      secret: NewSecret | null
      /** ISO 8601. */
      activeFrom: string
    }
  /** The owner of an e-mail address is to be asked once more. */
  | { kind: 'requestVerification' }
  /** The target has proved that it wants alerts. `address`: the one that was asked, by `addressOf`. */
  | { kind: 'verify'; address: string }
  /** Absent members stay. Another url or address has to be verified again. */
  | { kind: 'update'; settings: Partial<EndpointSettings> }
  /** The secret before signs beside the new one for another day. */
  | { kind: 'rotateSecret'; secret: NewSecret }
  /** The same secrets, and values of headers by name, under another sealing key. */
  | { kind: 'reseal'; secrets: readonly NewSecret[]; headers: Readonly<Record<string, string>> }
  /** It has been failing for so much of its budget, in percent; `failingSinceMs`: since when. */
  | { kind: 'warn'; percent: number; failingSinceMs: number }
  | { kind: 'disable'; reason: DisableReason }
  | { kind: 'enable' }
  /** One disabled for failing has answered again. */
  | { kind: 'recover' }
  | { kind: 'delete' }

export type EndpointProblem =
  | 'not_found'
  | 'exists'
  /** The id belongs, or belonged, to another merchant or client. */
  | 'id_taken'
  /** It is not at the revision that the change was made for. */
  | 'other_revision'
  /** It has another target than the one that was asked. */
  | 'other_address'
  /** Only a webhook has secrets, and it always has one. */
  | 'secret_mismatch'
  /** One more secret would take the oldest one its last hours. */
  | 'too_many_secrets'
  /** Its owner was asked often enough, whatever change asked. */
  | 'asked_too_often'
  /** It moves to another origin, and nobody says whether its headers may go there. */
  | 'headers_missing'
  /** A webhook cannot become an e-mail, nor the other way round. */
  | 'other_type'
  /** It is in no state in which this can be done. */
  | 'wrong_state'

export type Decision =
  | { kind: 'changed'; next: Endpoint }
  /** It is so already. */
  | { kind: 'unchanged'; endpoint: Endpoint }
  | Refusal

/** `until`: from when on it would be no problem any more, ISO 8601, where time alone mends it. */
export type Refusal = { kind: 'refused'; problem: EndpointProblem; until?: string }

export type ChangeContext = {
  nowMs: number
  /** Who changes it, for the audit trail: the name of a token, a service or a file. */
  by: string
  /** Refuse when it is at another revision. */
  ifRevision?: number
}

const dayMs = 24 * 60 * 60 * 1000
/** How long the secret before goes on signing after a rotation. */
export const secretOverlapMs = dayMs
const mostSecrets = 3
const mostHistory = 100
const hourMs = 60 * 60 * 1000
const mostAskedPerHour = 5

/** Decides what a change makes of an endpoint, and writes it into its audit trail. */
export function changeEndpoint(
  known: Endpoint | null,
  change: EndpointChange,
  context: ChangeContext,
): Decision {
  if (context.ifRevision !== undefined && known !== null && known.revision !== context.ifRevision) {
    return refused('other_revision')
  }
  if (change.kind === 'create') return create(known, change, context)
  if (change.kind === 'declare') return declare(known, change, context)
  // One that was deleted is known for its revision alone.
  if (known === null || (known.state === 'deleted' && change.kind !== 'delete')) return refused('not_found')
  return changeKnown(known, change, context)
}

function changeKnown(
  known: Endpoint,
  change: Exclude<EndpointChange, { kind: 'create' | 'declare' }>,
  context: ChangeContext,
): Decision {
  switch (change.kind) {
    case 'requestVerification':
      return requestVerification(known, context)
    case 'verify':
      return verify(known, change, context)
    case 'update':
      return update(known, change, context)
    case 'rotateSecret':
      return rotateSecret(known, change, context)
    case 'reseal':
      return reseal(known, change, context)
    case 'warn':
      return warn(known, change, context)
    case 'disable':
      return disable(known, change, context)
    case 'enable':
      return enable(known, context)
    case 'recover':
      return recover(known, context)
    case 'delete':
      break
  }
  return remove(known, context)
}

type Change<K extends EndpointChange['kind']> = Extract<EndpointChange, { kind: K }>

function create(known: Endpoint | null, change: Change<'create'>, context: ChangeContext): Decision {
  if (known !== null && known.state !== 'deleted') return refused('exists')
  if (isOfAnother(known, change)) return refused('id_taken')
  if ((change.settings.target.type === 'webhook') !== (change.secret !== null)) {
    return refused('secret_mismatch')
  }
  const fresh = brandNew(known, change, context)
  return changed(known, { ...fresh, state: 'unverified', activeFrom: null }, context, {
    action: 'created',
    detail: null,
  })
}

function declare(known: Endpoint | null, change: Change<'declare'>, context: ChangeContext): Decision {
  const { settings, secret, activeFrom } = change
  if (isOfAnother(known, change)) return refused('id_taken')
  if (known === null || known.state === 'deleted') {
    if ((settings.target.type === 'webhook') !== (secret !== null)) return refused('secret_mismatch')
    const next: Endpoint = { ...brandNew(known, change, context), state: 'active', activeFrom }
    return changed(known, next, context, { action: 'declared', detail: null })
  }
  if (settings.target.type === 'email' && secret !== null) return refused('secret_mismatch')
  const needsSecret = settings.target.type === 'webhook' && known.secrets.length === 0
  if (needsSecret && secret === null) return refused('secret_mismatch')

  const differing = differingSettings(known, settings)
  const isVerified = known.activeFrom !== null && known.state !== 'unverified'
  if (differing.length === 0 && secret === null && isVerified) return unchanged(known)
  const secrets = withSecret(known, secret, context)
  if (settings.target.type === 'webhook' && secrets.length > mostSecrets) return tooManySecrets(secrets)
  // What a person has stopped, a file does not start again.
  const isStopped = known.reason === 'by_operator' || known.reason === 'unsubscribed'
  const next: Endpoint = {
    ...settledBy(known, settings),
    state: isStopped ? 'disabled' : 'active',
    reason: isStopped ? known.reason : null,
    activeFrom: activeFromOf(known, { declared: activeFrom, nowMs: context.nowMs }),
    secrets: settings.target.type === 'email' ? [] : secrets,
  }
  const details = secret === null ? differing : [...differing, 'secret']
  return changed(known, next, context, { action: 'declared', detail: details.join(', ') || null })
}

/** What happened while it was gone is not owed afterwards; one that only fails is owed everything. */
function activeFromOf(known: Endpoint, { declared, nowMs }: { declared: string; nowMs: number }): string {
  if (known.activeFrom === null) return declared
  return known.reason === 'gone' ? isoOf(nowMs) : known.activeFrom
}

function requestVerification(known: Endpoint, context: ChangeContext): Decision {
  if (known.state === 'active') return unchanged(known)
  if (known.state !== 'unverified') return refused('wrong_state')
  if (known.target?.type !== 'email') return refused('other_type')
  return asking(known, known, context, { action: 'verification_requested', detail: null })
}

/** A change after which the owner of an e-mail address is asked, unless that was done often enough of late. */
function asking(known: Endpoint, next: Endpoint, context: ChangeContext, entry: Entry): Decision {
  if (next.target?.type === 'email') {
    const lately = known.history.filter(
      (past) => asksForVerification(past) && Date.parse(past.at) > context.nowMs - hourMs,
    )
    const counted = lately.at(-mostAskedPerHour)
    if (counted !== undefined) return refused('asked_too_often', isoOf(Date.parse(counted.at) + hourMs))
  }
  return changed(known, next, context, entry)
}

function verify(known: Endpoint, { address }: Change<'verify'>, context: ChangeContext): Decision {
  if (known.target === null || addressOf(known.target) !== address) return refused('other_address')
  if (known.state === 'active') return unchanged(known)
  if (known.state !== 'unverified') return refused('wrong_state')
  const next: Endpoint = { ...known, state: 'active', activeFrom: isoOf(context.nowMs) }
  return changed(known, next, context, { action: 'verified', detail: null })
}

function update(known: Endpoint, { settings }: Change<'update'>, context: ChangeContext): Decision {
  const differing = differingSettings(known, settings)
  if (differing.length === 0) return unchanged(known)
  const { target = known.target } = settings
  if (target === null || known.target === null) return refused('wrong_state')
  if (target.type !== known.target.type) return refused('other_type')
  const settled = settledBy(known, settings)
  const isMoved = addressOf(target) !== addressOf(known.target)
  const entry = { action: 'updated', detail: differing.join(', ') } as const
  if (!isMoved) return changed(known, settled, context, entry)
  const next = toBeVerified(settled)
  return next.state === 'unverified'
    ? asking(known, next, context, entry)
    : changed(known, next, context, entry)
}

/** What was said of the old target says nothing of the new one; what a person has said stands. */
function toBeVerified(endpoint: Endpoint): Endpoint {
  const isStopped = endpoint.reason === 'by_operator' || endpoint.reason === 'unsubscribed'
  return isStopped
    ? { ...endpoint, activeFrom: null }
    : { ...endpoint, state: 'unverified', reason: null, activeFrom: null }
}

function rotateSecret(known: Endpoint, { secret }: Change<'rotateSecret'>, context: ChangeContext): Decision {
  if (known.target?.type !== 'webhook') return refused('secret_mismatch')
  const secrets = withSecret(known, secret, context)
  if (secrets.length > mostSecrets) return tooManySecrets(secrets)
  const next: Endpoint = { ...known, secrets }
  return changed(known, next, context, { action: 'secret_rotated', detail: secret.secretId })
}

/** None may go before its time: there is room again when the first of them ends. */
function tooManySecrets(secrets: Endpoint['secrets']): Decision {
  const ends = secrets.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt]))
  return refused('too_many_secrets', ends.toSorted()[0])
}

/** The new one, and those that still sign beside it, which may be more than an endpoint has room for. */
function withSecret(known: Endpoint, secret: NewSecret | null, { nowMs }: ChangeContext) {
  if (secret === null) return known.secrets
  const endsAt = isoOf(nowMs + secretOverlapMs)
  const before = known.secrets
    .filter((old) => isInForce(old, nowMs) && old.secretId !== secret.secretId)
    .map((old) => (old.expiresAt !== null && old.expiresAt < endsAt ? old : { ...old, expiresAt: endsAt }))
  return [newSecret(secret, nowMs), ...before]
}

function newSecret({ secretId, sealed }: NewSecret, nowMs: number): Endpoint['secrets'][number] {
  return { secretId, sealed, createdAt: isoOf(nowMs), expiresAt: null }
}

/** Those that were replaced meanwhile are left alone. */
function reseal(known: Endpoint, { secrets, headers }: Change<'reseal'>, context: ChangeContext): Decision {
  const sealedById = new Map(secrets.map(({ secretId, sealed }) => [secretId, sealed]))
  const { target } = known
  const resealed = known.secrets.filter(({ secretId }) => sealedById.has(secretId))
  const own = target?.type === 'webhook' ? Object.entries(target.headers) : []
  const isResealed = own.some(([name]) => Object.hasOwn(headers, name))
  if (resealed.length === 0 && !isResealed) return unchanged(known)
  const next: Endpoint = {
    ...known,
    target:
      target?.type === 'webhook'
        ? { ...target, headers: { ...target.headers, ...ofThese(headers, own) } }
        : target,
    secrets: known.secrets.map((secret) => ({
      ...secret,
      sealed: sealedById.get(secret.secretId) ?? secret.sealed,
    })),
  }
  return changed(known, next, context, { action: 'resealed', detail: null })
}

/** Those that the endpoint has. */
function ofThese(headers: Readonly<Record<string, string>>, own: readonly (readonly [string, string])[]) {
  const names = new Set(own.map(([name]) => name))
  return Object.fromEntries(Object.entries(headers).filter(([name]) => names.has(name)))
}

function warn(
  known: Endpoint,
  { percent, failingSinceMs }: Change<'warn'>,
  context: ChangeContext,
): Decision {
  if (known.state !== 'active') return unchanged(known)
  const isWarned = known.history.some(
    ({ action, at, detail }) =>
      action === ('warned' satisfies EndpointAction) &&
      Date.parse(at) >= failingSinceMs &&
      Number(detail) >= percent,
  )
  if (isWarned) return unchanged(known)
  return changed(known, known, context, { action: 'warned', detail: String(percent) })
}

/** What was learnt from calls never displaces what a person has said; that it is gone displaces that it fails. */
function disable(known: Endpoint, { reason }: Change<'disable'>, context: ChangeContext): Decision {
  const isOfPerson = reason === 'by_operator' || reason === 'unsubscribed'
  const stays =
    known.state === 'disabled' &&
    (known.reason === reason || !(isOfPerson || (reason === 'gone' && known.reason === 'failing')))
  // Calls are made to verified targets only, so what they tell is about one that it had before.
  if (stays || (known.state === 'unverified' && !isOfPerson)) return unchanged(known)
  return changed(known, { ...known, state: 'disabled', reason }, context, {
    action: 'disabled',
    detail: reason,
  })
}

function enable(known: Endpoint, context: ChangeContext): Decision {
  if (known.state === 'active') return unchanged(known)
  if (known.state !== 'disabled') return refused('wrong_state')
  const entry = { action: 'enabled', detail: known.reason } as const
  if (known.activeFrom === null) {
    return asking(known, { ...known, state: 'unverified', reason: null }, context, entry)
  }
  // One that fails is owed everything all the while.
  const activeFrom = known.reason === 'failing' ? known.activeFrom : isoOf(context.nowMs)
  return changed(known, { ...known, state: 'active', reason: null, activeFrom }, context, entry)
}

function recover(known: Endpoint, context: ChangeContext): Decision {
  if (known.state !== 'disabled' || known.reason !== 'failing') return unchanged(known)
  return changed(known, { ...known, state: 'active', reason: null }, context, {
    action: 'recovered',
    detail: null,
  })
}

/** What is left names it and its past, and no longer where it was. */
function remove(known: Endpoint, context: ChangeContext): Decision {
  if (known.state === 'deleted') return unchanged(known)
  const next: Endpoint = {
    ...known,
    target: null,
    state: 'deleted',
    reason: null,
    activeFrom: null,
    secrets: [],
  }
  return changed(known, next, context, { action: 'deleted', detail: null })
}

function brandNew(
  known: Endpoint | null,
  { endpointId, clientId, merchant, settings, secret }: Change<'create' | 'declare'>,
  { nowMs }: ChangeContext,
): Omit<Endpoint, 'state' | 'activeFrom'> {
  return {
    endpointId,
    clientId,
    merchant,
    audience: settings.audience,
    target: settings.target,
    filters: settings.filters,
    limits: settings.limits,
    skipsSuperseded: settings.skipsSuperseded,
    keepsResponses: settings.keepsResponses,
    revision: known?.revision ?? 0,
    reason: null,
    secrets: secret === null ? [] : [newSecret(secret, nowMs)],
    createdAt: isoOf(nowMs),
    changedAt: isoOf(nowMs),
    history: known?.history ?? [],
  }
}

type Entry = { action: EndpointAction; detail: string | null }

function changed(
  known: Endpoint | null,
  next: Endpoint,
  { nowMs, by }: ChangeContext,
  entry: Entry,
): Decision {
  const at = isoOf(nowMs)
  return {
    kind: 'changed',
    next: {
      ...next,
      revision: (known?.revision ?? 0) + 1,
      changedAt: at,
      history: [...next.history, { at, by, ...entry }].slice(-mostHistory),
    },
  }
}

function refused(problem: EndpointProblem, until?: string): Decision {
  return { kind: 'refused', problem, ...(until === undefined ? {} : { until }) }
}

function unchanged(endpoint: Endpoint): Decision {
  return { kind: 'unchanged', endpoint }
}

function isOfAnother(known: Endpoint | null, name: { clientId: string; merchant: string }): boolean {
  return known !== null && (known.clientId !== name.clientId || known.merchant !== name.merchant)
}

const settingNames = [
  'audience',
  'target',
  'filters',
  'limits',
  'skipsSuperseded',
  'keepsResponses',
] as const satisfies readonly (keyof EndpointSettings)[]

/** Takes the settings by their names, so that nothing else that comes with them gets into a record. */
function settledBy(known: Endpoint, settings: Partial<EndpointSettings>): Endpoint {
  return {
    ...known,
    audience: settings.audience ?? known.audience,
    target: settings.target ?? known.target,
    filters: settings.filters ?? known.filters,
    limits: settings.limits ?? known.limits,
    skipsSuperseded: settings.skipsSuperseded ?? known.skipsSuperseded,
    keepsResponses: settings.keepsResponses ?? known.keepsResponses,
  }
}

/** The names of the settings that would change. */
function differingSettings(known: Endpoint, settings: Partial<EndpointSettings>): string[] {
  return settingNames.filter((name) => {
    const wanted = settings[name]
    return wanted !== undefined && canonical(wanted) !== canonical(known[name])
  })
}

/** JSON with the members of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}

function isInForce({ expiresAt }: Endpoint['secrets'][number], nowMs: number): boolean {
  return expiresAt === null || Date.parse(expiresAt) > nowMs
}

const isoOf = (ms: number) => new Date(ms).toISOString()

/** Where a target is: the url, or the e-mail address. */
export function addressOf(target: EndpointTarget): string {
  return target.type === 'webhook' ? target.url : target.address
}

/**
 * When the owner of an e-mail address was last to be asked to confirm it: ISO 8601, or null. Whoever makes an endpoint,
 * moves it, or enables it before it was verified, asks.
 */
export function verificationAskedAt({ history }: Pick<Endpoint, 'history'>): string | null {
  return history.findLast(asksForVerification)?.at ?? null
}

/** Whether it is unverified since, or asked anew by, its latest change, and takes e-mails. */
export function isToBeAsked({ state, target, history }: Endpoint): boolean {
  const last = history.at(-1)
  return state === 'unverified' && target?.type === 'email' && last !== undefined && asksForVerification(last)
}

function asksForVerification({ action, detail }: Endpoint['history'][number]): boolean {
  return (
    askingActions.has(action) ||
    (action === ('updated' satisfies EndpointAction) && (detail ?? '').split(', ').includes('target'))
  )
}

const askingActions: ReadonlySet<string> = new Set<EndpointAction>([
  'created',
  'enabled',
  'verification_requested',
])

/** The sealed secrets that sign now, newest first. */
export function secretsInForce(endpoint: Endpoint, nowMs: number): readonly string[] {
  return endpoint.secrets.filter((secret) => isInForce(secret, nowMs)).map(({ sealed }) => sealed)
}

/** Whether it is owed what happens at this time: verified and enabled then, or only failing. */
export function isOwed(endpoint: Endpoint, atMs: number): boolean {
  const listens =
    endpoint.state === 'active' || (endpoint.state === 'disabled' && endpoint.reason === 'failing')
  return listens && endpoint.activeFrom !== null && Date.parse(endpoint.activeFrom) <= atMs
}

/** What an endpoint can hear of. Null: the event is about no entry in particular. */
export type HeardEvent = { type: string; pspName: string | null; productCode: string | null }

const forOperators = /^(registration\.flagged|endpoint\..*)$/

/** Whether an endpoint's audience and filters let an event through; a filter by entry lets through what has none. */
export function listensTo({ audience, filters }: Endpoint, event: HeardEvent): boolean {
  if (forOperators.test(event.type) && audience !== 'operator') return false
  return (
    fits(filters.eventTypes, event.type) &&
    fits(filters.pspNames, event.pspName) &&
    fits(filters.productCodes, event.productCode)
  )
}

function fits(wanted: readonly string[] | null, found: string | null): boolean {
  return wanted === null || found === null || wanted.includes(found)
}

const mostHeaders = 20
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
const headerValue = /^[\t\x20-\x7e]*$/
const reserved =
  /^(webhook-.*|host|content-.*|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|date|user-agent|accept-encoding|forwarded|x-forwarded-.*|sec-.*|:.*)$/i

/** What is wrong with an endpoint's own headers, in words; null when they may be sent. */
export function headersProblem(headers: Readonly<Record<string, string>>): string | null {
  const names = Object.keys(headers)
  if (names.length > mostHeaders) return `there are more than ${mostHeaders} headers`
  for (const name of names) {
    if (!headerName.test(name)) return `${JSON.stringify(name.slice(0, 64))} is no name of a header`
    if (reserved.test(name)) return `the header ${name} is reserved: the sender sets it`
    if (!headerValue.test(headers[name] ?? '')) return `the value of ${name} holds more than printable ASCII`
  }
  const lower = names.map((name) => name.toLowerCase())
  const twice = names.find((_, index) => lower.indexOf(lower[index] ?? '') !== index)
  return twice === undefined ? null : `the header ${twice} stands twice`
}
