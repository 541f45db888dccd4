/** The ids that name one registration. */
export type RegistrationRef = {
  clientId: string
  referenceMerchantId: string
  /** Null: the merchant as a whole. */
  referenceStoreId: string | null
}

/** What happened to one entry of the registration. */
export type EntryEvent = {
  type: 'entry.approved' | 'entry.rejected' | 'entry.cancelled' | 'entry.reopened'
  pspName: string
  productCode: string
  status: string
  /** Null: the entry is new in this version. */
  previousStatus: string | null
  rejectionReason: string | null
}

/** All wallets have answered; it does not say that any approved. */
export type CollectiveEvent = {
  type: 'collective.completed'
  pspName: null
  productCode: null
  status: string
  previousStatus: string | null
  rejectionReason: null
}

/** An event of a type that is newer than this kit, as it was sent. */
export type UnknownEvent = { type: 'unknown_event'; sent: unknown }

export type AlertEvent = EntryEvent | CollectiveEvent | UnknownEvent

export type RegistrationChanged = {
  type: 'registration.changed'
  /** When Signalbox learned of it, ISO 8601. */
  timestamp: string
  data: {
    registration: RegistrationRef
    /** Rises by one with each change of the registration; an endpoint is not told of every one. */
    version: number
    /** The collective status in this version; null: never reported. */
    collective: string | null
    /** What is different from the version before; what stayed the same is not repeated. */
    events: AlertEvent[]
    /** Only for operators: what is doubtful about the registration. */
    flags?: string[]
    /** Only when not all events fit: how many there are, and the path of the console that has them all. */
    eventsTotal?: number
    next?: string
  }
}

/** Only for operators: what is doubtful about a registration has changed, and nothing else. */
export type RegistrationFlagged = {
  type: 'registration.flagged'
  timestamp: string
  data: { registration: RegistrationRef; version: number; collective: string | null; flags: string[] }
}

export type EndpointRef = {
  endpointId: string
  clientId: string
  /** `*` is every merchant of the client. */
  merchant: string
}

/** Only for operators: another endpoint is in trouble, was given up, or works again. */
export type EndpointChanged = {
  type: 'endpoint.warned' | 'endpoint.disabled' | 'endpoint.enabled'
  timestamp: string
  data: {
    endpoint: EndpointRef
    /** Rises by one with each change of the endpoint. */
    revision: number
    reason: string | null
    detail: string | null
  }
}

export type Alert = RegistrationChanged | RegistrationFlagged | EndpointChanged

export type ReadAlert =
  | { kind: 'alert'; alert: Alert }
  /** `endpointId`: whom it is meant for. */
  | { kind: 'challenge'; challenge: string; endpointId: string | null }
  | { kind: 'unknown_type'; type: string; body: unknown }
  | { kind: 'unreadable'; problem: string }

/** What the text of a body says. Members that are not known here are let through: later versions add some. */
export function readAlert(text: string): ReadAlert {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return { kind: 'unreadable', problem: 'the body is not JSON' }
  }
  if (!isObject(body) || !isText(body['type'])) {
    return { kind: 'unreadable', problem: 'the body is not a JSON object with a type' }
  }
  const { type } = body
  if (isChallenge(body)) {
    const { challenge, endpointId = null } = body.data
    return { kind: 'challenge', challenge, endpointId }
  }
  if (isFlagged(body) || isEndpointChanged(body)) return { kind: 'alert', alert: body }
  if (isChanged(body)) {
    return {
      kind: 'alert',
      alert: { ...body, data: { ...body.data, events: body.data.events.map(readEvent) } },
    }
  }
  if (!knownTypes.some((known) => known === type)) return { kind: 'unknown_type', type, body }
  return { kind: 'unreadable', problem: `the body does not have the members of a ${type}` }
}

const endpointTypes = ['endpoint.warned', 'endpoint.disabled', 'endpoint.enabled'] as const
const knownTypes = ['registration.changed', 'registration.flagged', 'endpoint.challenge', ...endpointTypes]

type Check<T> = (value: unknown) => value is T

/** Checks an object member by member; the compiler sees to it that every member of the type has its check. */
function shape<T extends object>(
  checks: { [Name in keyof T]-?: Check<T[Name]> },
  optional: readonly (keyof T)[] = [],
): Check<T> {
  return (value): value is T => {
    if (!isObject(value)) return false
    for (const name in checks) {
      const member = value[name]
      if (!checks[name](member) && (member !== undefined || !optional.includes(name))) return false
    }
    return true
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string'
const isNull = (value: unknown): value is null => value === null
const isTextOrNull = (value: unknown): value is string | null => isText(value) || isNull(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0
const isOneOf =
  <const T extends string>(...texts: readonly T[]): Check<T> =>
  (value): value is T =>
    texts.some((text) => text === value)
const isList = (value: unknown): value is unknown[] => Array.isArray(value)
const isTextList = (value: unknown): value is string[] => isList(value) && value.every(isText)

const isRegistration = shape<RegistrationRef>({
  clientId: isText,
  referenceMerchantId: isText,
  referenceStoreId: isTextOrNull,
})

const isEntryEvent = shape<EntryEvent>({
  type: isOneOf('entry.approved', 'entry.rejected', 'entry.cancelled', 'entry.reopened'),
  pspName: isText,
  productCode: isText,
  status: isText,
  previousStatus: isTextOrNull,
  rejectionReason: isTextOrNull,
})

const isCollectiveEvent = shape<CollectiveEvent>({
  type: isOneOf('collective.completed'),
  pspName: isNull,
  productCode: isNull,
  status: isText,
  previousStatus: isTextOrNull,
  rejectionReason: isNull,
})

function readEvent(sent: unknown): AlertEvent {
  return isEntryEvent(sent) || isCollectiveEvent(sent) ? sent : { type: 'unknown_event', sent }
}

type SentChanged = Omit<RegistrationChanged, 'data'> & {
  data: Omit<RegistrationChanged['data'], 'events'> & { events: unknown[] }
}

const isChanged = shape<SentChanged>({
  type: isOneOf('registration.changed'),
  timestamp: isText,
  data: shape<SentChanged['data']>(
    {
      registration: isRegistration,
      version: isCount,
      collective: isTextOrNull,
      events: isList,
      flags: isTextList,
      eventsTotal: isCount,
      next: isText,
    },
    ['flags', 'eventsTotal', 'next'],
  ),
})

const isFlagged = shape<RegistrationFlagged>({
  type: isOneOf('registration.flagged'),
  timestamp: isText,
  data: shape<RegistrationFlagged['data']>({
    registration: isRegistration,
    version: isCount,
    collective: isTextOrNull,
    flags: isTextList,
  }),
})

const isEndpointChanged = shape<EndpointChanged>({
  type: isOneOf(...endpointTypes),
  timestamp: isText,
  data: shape<EndpointChanged['data']>({
    endpoint: shape<EndpointRef>({ endpointId: isText, clientId: isText, merchant: isText }),
    revision: isCount,
    reason: isTextOrNull,
    detail: isTextOrNull,
  }),
})

type Challenge = { type: 'endpoint.challenge'; data: { challenge: string; endpointId?: string } }

const isChallenge = shape<Challenge>({
  type: isOneOf('endpoint.challenge'),
  data: shape<Challenge['data']>({ challenge: isText, endpointId: isText }, ['endpointId']),
})
