import { endpointRecord } from '@signalbox/contracts/endpoint-record'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  changeEndpoint,
  type Endpoint,
  type EndpointChange,
  headersProblem,
  isOwed,
  isToBeAsked,
  listensTo,
  secretOverlapMs,
  secretsInForce,
  verificationAskedAt,
} from './endpoint.ts'
import {
  active,
  changedBy,
  creation,
  deleted,
  disabled,
  isoOf,
  startMs,
  unverified,
  url,
  webhookSettings,
} from './endpoint.fixture.ts'

const context = { nowMs: startMs + 10_000, by: 'somebody' }
const decide = (known: Endpoint | null, change: EndpointChange) => changeEndpoint(known, change, context)
const otherUrl = webhookSettings({
  target: { type: 'webhook', url: 'https://other.example/', headers: {} },
})

describe('a life', () => {
  test('begins unverified, owed nothing; a verified one is owed what happens from then on', () => {
    const fresh = unverified()
    expect(fresh).toMatchObject({ revision: 1, state: 'unverified', reason: null, activeFrom: null })
    expect(isOwed(fresh, Number.MAX_SAFE_INTEGER)).toBe(false)
    const verified = active()
    expect(verified).toMatchObject({ revision: 2, state: 'active', activeFrom: isoOf(startMs + 1_000) })
    expect(isOwed(verified, startMs + 999)).toBe(false)
    expect(isOwed(verified, startMs + 1_000)).toBe(true)
  })

  test('has every step in its audit trail: when, who, what, and why', () => {
    const life: EndpointChange[] = [
      { kind: 'verify', address: url },
      { kind: 'warn', percent: 50, failingSinceMs: startMs },
      { kind: 'disable', reason: 'failing' },
      { kind: 'recover' },
      { kind: 'update', settings: { keepsResponses: true, limits: { ratePerSecond: 2, concurrency: null } } },
      { kind: 'rotateSecret', secret: { secretId: 's2', sealed: 'x' } },
      { kind: 'disable', reason: 'gone' },
      { kind: 'enable' },
      { kind: 'delete' },
    ]
    let endpoint = unverified()
    for (const [index, change] of life.entries()) {
      endpoint = changedBy(endpoint, change, { nowMs: startMs + index, by: `step ${index}` })
    }
    expect(endpoint.revision).toBe(10)
    expect(endpoint.history.map(({ by, action, detail }) => [by, action, detail])).toEqual([
      ['test', 'created', null],
      ['step 0', 'verified', null],
      ['step 1', 'warned', '50'],
      ['step 2', 'disabled', 'failing'],
      ['step 3', 'recovered', null],
      ['step 4', 'updated', 'limits, keepsResponses'],
      ['step 5', 'secret_rotated', 's2'],
      ['step 6', 'disabled', 'gone'],
      ['step 7', 'enabled', 'gone'],
      ['step 8', 'deleted', null],
    ])
    expect(endpoint).toMatchObject({ target: null, secrets: [], state: 'deleted', activeFrom: null })
  })

  test('goes on after a deletion, for the same merchant alone', () => {
    const again = changedBy(deleted(), creation(), context)
    expect(again).toMatchObject({ state: 'unverified', revision: 4, createdAt: isoOf(context.nowMs) })
    expect(again.history.map(({ action }) => action)).toEqual(['created', 'verified', 'deleted', 'created'])
    expect(decide(deleted(), creation({ merchant: 'M2' }))).toEqual({ kind: 'refused', problem: 'id_taken' })
  })
})

describe('what is decided', () => {
  const table: [string, Endpoint | null, EndpointChange, string][] = [
    ['creating one that is there', active(), creation(), 'exists'],
    ['creating a webhook without secret', null, creation({ secret: null }), 'secret_mismatch'],
    ['verifying another address', unverified(), { kind: 'verify', address: 'x' }, 'other_address'],
    ['verifying a disabled one', disabled('by_operator'), { kind: 'verify', address: url }, 'wrong_state'],
    ['verifying an active one', active(), { kind: 'verify', address: url }, 'unchanged'],
    ['enabling an active one', active(), { kind: 'enable' }, 'unchanged'],
    ['enabling an unverified one', unverified(), { kind: 'enable' }, 'wrong_state'],
    [
      'an update that says what is so',
      active(),
      { kind: 'update', settings: webhookSettings() },
      'unchanged',
    ],
    [
      'a webhook becoming an e-mail',
      active(),
      { kind: 'update', settings: { target: { type: 'email', address: 'a@b.example' } } },
      'other_type',
    ],
    ['recovering one that does not fail', disabled('gone'), { kind: 'recover' }, 'unchanged'],
    ['recovering an active one', active(), { kind: 'recover' }, 'unchanged'],
    [
      'warning of a disabled one',
      disabled('failing'),
      { kind: 'warn', percent: 90, failingSinceMs: 0 },
      'unchanged',
    ],
    [
      'calls that fail after a person stopped it',
      disabled('by_operator'),
      { kind: 'disable', reason: 'failing' },
      'unchanged',
    ],
    [
      '410 after a person stopped it',
      disabled('unsubscribed'),
      { kind: 'disable', reason: 'gone' },
      'unchanged',
    ],
    ['failing after 410', disabled('gone'), { kind: 'disable', reason: 'failing' }, 'unchanged'],
    ['410 of the target before', unverified(), { kind: 'disable', reason: 'gone' }, 'unchanged'],
    ['the same reason again', disabled('gone'), { kind: 'disable', reason: 'gone' }, 'unchanged'],
    ['410 of one that fails', disabled('failing'), { kind: 'disable', reason: 'gone' }, 'changed'],
    [
      'a person stopping one that fails',
      disabled('failing'),
      { kind: 'disable', reason: 'by_operator' },
      'changed',
    ],
    [
      'a person stopping an unverified one',
      unverified(),
      { kind: 'disable', reason: 'by_operator' },
      'changed',
    ],
    ['deleting it twice', deleted(), { kind: 'delete' }, 'unchanged'],
    ...(['verify', 'update', 'rotateSecret', 'disable', 'enable', 'recover'] as const).flatMap(
      (kind): [string, Endpoint | null, EndpointChange, string][] => [
        [`${kind} of none`, null, changeOf(kind), 'not_found'],
        [`${kind} of a deleted one`, deleted(), changeOf(kind), 'not_found'],
      ],
    ),
  ]
  test.each(table)('%s', (_, known, change, outcome) => {
    const decision = decide(known, change)
    expect(decision.kind === 'refused' ? decision.problem : decision.kind).toBe(outcome)
  })

  test('a change for another revision is refused, one for this is not', () => {
    const enable: EndpointChange = { kind: 'enable' }
    const known = disabled('gone')
    expect(changeEndpoint(known, enable, { ...context, ifRevision: known.revision - 1 })).toEqual({
      kind: 'refused',
      problem: 'other_revision',
    })
    expect(changeEndpoint(known, enable, { ...context, ifRevision: known.revision }).kind).toBe('changed')
  })
})

function changeOf(
  kind: 'verify' | 'update' | 'rotateSecret' | 'disable' | 'enable' | 'recover',
): EndpointChange {
  switch (kind) {
    case 'verify':
      return { kind, address: url }
    case 'update':
      return { kind, settings: otherUrl }
    case 'rotateSecret':
      return { kind, secret: { secretId: 's2', sealed: 'x' } }
    case 'disable':
      return { kind, reason: 'by_operator' }
    default:
      return { kind }
  }
}

test('nothing but settings gets into a record with the settings', () => {
  const strange = {
    ...webhookSettings({ keepsResponses: true }),
    endpointId: 'x',
    state: 'active',
    secret: 'whsec_',
  }
  const fresh = changedBy(null, creation({ settings: strange }))
  expect(fresh).toEqual({ ...unverified(), keepsResponses: true })
  const updated = changedBy(active(), { kind: 'update', settings: strange }, context)
  expect({ ...updated, history: [] }).toEqual({
    ...active(),
    revision: 3,
    changedAt: isoOf(context.nowMs),
    keepsResponses: true,
    history: [],
  })
})

describe('who fails', () => {
  test('stays owed what happens, one that is gone or stopped does not', () => {
    const owed = (['failing', 'gone', 'by_operator', 'unsubscribed'] as const).map((reason) =>
      isOwed(disabled(reason), startMs + 5_000),
    )
    expect(owed).toEqual([true, false, false, false])
    expect(isOwed(deleted(), startMs + 5_000)).toBe(false)
  })

  test('loses nothing when it is enabled; all others are owed from the enabling on', () => {
    expect(changedBy(disabled('failing'), { kind: 'enable' }, context).activeFrom).toBe(active().activeFrom)
    expect(changedBy(disabled('failing'), { kind: 'recover' }, context).activeFrom).toBe(active().activeFrom)
    for (const reason of ['gone', 'by_operator', 'unsubscribed'] as const) {
      expect(changedBy(disabled(reason), { kind: 'enable' }, context).activeFrom).toBe(isoOf(context.nowMs))
    }
  })

  test('is warned of once per step and outage, whoever notices', () => {
    const outage = { kind: 'warn', failingSinceMs: startMs + 5_000 } as const
    const warned = changedBy(active(), { ...outage, percent: 75 }, context)
    expect(decide(warned, { ...outage, percent: 75 }).kind).toBe('unchanged')
    expect(decide(warned, { ...outage, percent: 50 }).kind).toBe('unchanged')
    expect(decide(warned, { ...outage, percent: 90 }).kind).toBe('changed')
    const next = { ...outage, failingSinceMs: context.nowMs + 1 }
    expect(decide(warned, { ...next, percent: 50 }).kind).toBe('changed')
  })
})

describe('another target', () => {
  test('has to be verified before it is sent anything, and headers alone are no other target', () => {
    expect(changedBy(active(), { kind: 'update', settings: otherUrl }, context)).toMatchObject({
      state: 'unverified',
      activeFrom: null,
    })
    const headers = webhookSettings({ target: { type: 'webhook', url, headers: { 'x-shop': '7' } } })
    expect(changedBy(active(), { kind: 'update', settings: headers }, context).state).toBe('active')
  })

  test('of a failing or gone one takes a new chance; what a person stopped stays so, and is verified when enabled', () => {
    const update = { kind: 'update', settings: otherUrl } as const
    for (const reason of ['failing', 'gone'] as const) {
      expect(changedBy(disabled(reason), update, context)).toMatchObject({
        state: 'unverified',
        reason: null,
      })
    }
    for (const reason of ['by_operator', 'unsubscribed'] as const) {
      const stopped = changedBy(disabled(reason), update, context)
      expect(stopped).toMatchObject({ state: 'disabled', reason })
      expect(changedBy(stopped, { kind: 'enable' }, context)).toMatchObject({
        state: 'unverified',
        activeFrom: null,
      })
    }
  })
})

const mail = (address = 'a@b.example') =>
  ({ ...webhookSettings(), target: { type: 'email', address } }) as const
const request = (known: Endpoint, nowMs: number) =>
  changeEndpoint(known, { kind: 'requestVerification' }, { ...context, nowMs })

describe('the owner of an e-mail address', () => {
  const fresh = changedBy(null, creation({ settings: mail(), secret: null }))
  const verified = changedBy(fresh, { kind: 'verify', address: 'a@b.example' })
  const stopped = changedBy(fresh, { kind: 'disable', reason: 'by_operator' })

  test.each<[string, Endpoint, boolean]>([
    ['a new one', fresh, true],
    ['one that is asked for', changedBy(fresh, { kind: 'requestVerification' }), true],
    ['one that moved', changedBy(verified, { kind: 'update', settings: mail('c@b.example') }), true],
    ['one enabled before it was verified', changedBy(stopped, { kind: 'enable' }), true],
    ['other settings', changedBy(fresh, { kind: 'update', settings: { keepsResponses: true } }), false],
    ['a verified one', verified, false],
    ['one that is stopped', stopped, false],
    ['a webhook', unverified(), false],
  ])('is asked, or not, by the latest change of %s', (_, endpoint, expected) => {
    expect(isToBeAsked(endpoint)).toBe(expected)
  })

  test('was last asked when the address was last entered or asked for, whatever came after', () => {
    expect(verificationAskedAt(fresh)).toBe(isoOf(startMs))
    const again = changedBy(fresh, { kind: 'requestVerification' }, { nowMs: startMs + 5 })
    const later = changedBy(
      again,
      { kind: 'update', settings: { keepsResponses: true } },
      { nowMs: startMs + 9 },
    )
    expect(verificationAskedAt(later)).toBe(isoOf(startMs + 5))
  })

  test('is asked five times in any hour at most, the first time included', () => {
    let known = fresh
    for (let times = 1; times < 5; times += 1) {
      known = changedBy(known, { kind: 'requestVerification' }, { nowMs: startMs + times * 60_000 })
    }
    const until = isoOf(startMs + 3_600_000)
    expect(request(known, startMs + 3_599_999)).toEqual({
      kind: 'refused',
      problem: 'asked_too_often',
      until,
    })
    expect(request(known, startMs + 3_600_000).kind).toBe('changed')
    expect(request(fresh, startMs)).toMatchObject({
      kind: 'changed',
      next: { state: 'unverified', revision: 2 },
    })
  })

  const disable: EndpointChange = { kind: 'disable', reason: 'by_operator' }
  const moveTo = (address: string): EndpointChange => ({ kind: 'update', settings: mail(address) })
  test.each<[string, (n: number) => EndpointChange[], EndpointChange[], EndpointChange]>([
    ['moved again and again', (n) => [moveTo(`a${n}@b.example`)], [], moveTo('last@b.example')],
    ['disabled and enabled again', () => [disable, { kind: 'enable' }], [disable], { kind: 'enable' }],
  ])('%s is asked no more often than that', (_, nth, before, last) => {
    const made = [...[1, 2, 3, 4].flatMap((n) => nth(n)), ...before]
    const known = made.reduce((so, change) => changedBy(so, change, { nowMs: startMs + 1_000 }), fresh)
    const at = (nowMs: number) => changeEndpoint(known, last, { ...context, nowMs })
    const until = isoOf(startMs + 3_600_000)
    expect(at(startMs + 3_599_999)).toEqual({ kind: 'refused', problem: 'asked_too_often', until })
    expect(at(startMs + 3_600_000)).toMatchObject({ kind: 'changed', next: { state: 'unverified' } })
  })

  test('a change that asks nobody is made however often somebody was asked', () => {
    let known = fresh
    for (let times = 1; times < 5; times += 1) known = changedBy(known, { kind: 'requestVerification' })
    expect(decide(known, { kind: 'update', settings: { keepsResponses: true } }).kind).toBe('changed')
    const off = changedBy(known, { kind: 'disable', reason: 'by_operator' })
    expect(decide(off, { kind: 'update', settings: mail('c@b.example') }).kind).toBe('changed')
  })

  test('a webhook may be moved and enabled as often as one likes', () => {
    let known = unverified()
    for (let n = 1; n < 9; n += 1) {
      const target = { type: 'webhook', url: `https://m${n}.example/`, headers: {} } as const
      known = changedBy(known, { kind: 'update', settings: { target } })
      known = changedBy(changedBy(known, { kind: 'disable', reason: 'by_operator' }), { kind: 'enable' })
    }
    expect(known.state).toBe('unverified')
  })

  test.each<[string, Endpoint, object]>([
    ['a webhook', unverified(), { kind: 'refused', problem: 'other_type' }],
    ['a disabled one', stopped, { kind: 'refused', problem: 'wrong_state' }],
    ['an active one', verified, { kind: 'unchanged' }],
  ])('of %s is not asked anew', (_, endpoint, decision) => {
    expect(request(endpoint, startMs)).toMatchObject(decision)
  })
})

function rotate(known: Endpoint, number: number, nowMs: number): Endpoint {
  const secret = { secretId: `s${number}`, sealed: `sealed-${number}` }
  return changedBy(known, { kind: 'rotateSecret', secret }, { nowMs })
}

describe('secrets', () => {
  test('the one before signs for another day, behind the new one, and not a millisecond longer', () => {
    const rotated = rotate(active(), 2, startMs)
    expect(secretsInForce(rotated, startMs)).toEqual(['sealed-2', 'v1.k.sealed-1'])
    expect(secretsInForce(rotated, startMs + secretOverlapMs - 1)).toHaveLength(2)
    expect(secretsInForce(rotated, startMs + secretOverlapMs)).toEqual(['sealed-2'])
  })

  test('a second rotation does not lengthen the life of the first', () => {
    const twice = rotate(rotate(active(), 2, startMs), 3, startMs + secretOverlapMs / 2)
    expect(secretsInForce(twice, startMs + secretOverlapMs - 1)).toEqual([
      'sealed-3',
      'sealed-2',
      'v1.k.sealed-1',
    ])
    expect(secretsInForce(twice, startMs + secretOverlapMs)).toEqual(['sealed-3', 'sealed-2'])
  })

  const fourth = { secretId: 's4', sealed: 'sealed-4' }
  test.each<[string, EndpointChange]>([
    ['a rotation', { kind: 'rotateSecret', secret: fourth }],
    ['a declaration', { ...creation(), kind: 'declare', activeFrom: isoOf(0), secret: fourth }],
  ])('none ends before its time: %s is refused for as long as three sign', (_, change) => {
    const three = rotate(rotate(active(), 2, startMs), 3, startMs + 5)
    const at = (nowMs: number) => changeEndpoint(three, change, { ...context, nowMs })
    const until = isoOf(startMs + secretOverlapMs)
    const refusal = { kind: 'refused', problem: 'too_many_secrets', until }
    expect(at(startMs + 10)).toEqual(refusal)
    expect(at(startMs + secretOverlapMs - 1)).toEqual(refusal)
    const later = at(startMs + secretOverlapMs)
    expect(later.kind === 'changed' && later.next.secrets.map(({ secretId }) => secretId)).toEqual([
      's4',
      's3',
      's2',
    ])
  })

  test('one that still signs may become the newest again beside two others, and expired ones are dropped', () => {
    const three = rotate(rotate(active(), 2, startMs), 3, startMs)
    const back = rotate(three, 2, startMs + 1)
    expect(back.secrets.map(({ secretId }) => secretId)).toEqual(['s2', 's3', 's1'])
    const later = rotate(three, 5, startMs + secretOverlapMs)
    expect(later.secrets.map(({ secretId }) => secretId)).toEqual(['s5', 's3'])
  })

  test('sealed anew they keep names, order and times; one that was replaced meanwhile stays away', () => {
    const rotated = rotate(active(), 2, startMs)
    const secrets = [
      { secretId: 's1', sealed: 'new-1' },
      { secretId: 'gone', sealed: 'new-0' },
    ]
    const resealed = changedBy(rotated, { kind: 'reseal', secrets, headers: {} }, context)
    expect(resealed.secrets).toEqual(
      rotated.secrets.map((secret) => (secret.secretId === 's1' ? { ...secret, sealed: 'new-1' } : secret)),
    )
    expect(
      decide(rotated, {
        kind: 'reseal',
        secrets: [{ secretId: 'gone', sealed: 'x' }],
        headers: { 'x-gone': 'x' },
      }).kind,
    ).toBe('unchanged')
  })
})

describe('filters', () => {
  const event = { type: 'entry.approved', pspName: 'GCASH', productCode: 'P1' }
  const filtered = (filters: Partial<Endpoint['filters']>) =>
    listensTo({ ...active(), filters: { ...active().filters, ...filters } }, event)

  test('let through what fits all of them', () => {
    expect(filtered({})).toBe(true)
    expect(
      filtered({ eventTypes: ['entry.approved'], pspNames: ['GCASH'], productCodes: ['P1', 'P2'] }),
    ).toBe(true)
    expect(filtered({ eventTypes: ['entry.rejected'] })).toBe(false)
    expect(filtered({ pspNames: ['gcash'] })).toBe(false)
    expect(filtered({ productCodes: [] })).toBe(false)
  })

  test('by entry let through what is about none', () => {
    const choosy = { ...active(), filters: { eventTypes: null, pspNames: ['X'], productCodes: ['Y'] } }
    expect(listensTo(choosy, { type: 'collective.completed', pspName: null, productCode: null })).toBe(true)
  })

  test.each(['registration.flagged', 'endpoint.warned', 'endpoint.disabled', 'endpoint.enabled'])(
    '%s is for operators alone',
    (type) => {
      const about = { type, pspName: null, productCode: null }
      expect(listensTo(active(), about)).toBe(false)
      expect(listensTo({ ...active(), audience: 'operator' }, about)).toBe(true)
    },
  )
})

describe('headers', () => {
  test.each([
    ['webhook-id', /reserved/],
    ['Webhook-Signature', /reserved/],
    ['Host', /reserved/],
    ['content-type', /reserved/],
    ['Connection', /reserved/],
    ['X-Forwarded-For', /reserved/],
    ['a b', /no name/],
    ['', /no name/],
    ['a:b', /no name/],
    ['a\r\nb', /no name/],
  ])('%j is refused', (name, why) => {
    expect(headersProblem({ [name]: 'x' })).toMatch(why)
  })

  test('a value cannot end its line, names differ in more than case, and there are few', () => {
    expect(headersProblem({ a: 'x\r\nhost: y' })).toMatch('more than printable ASCII')
    expect(headersProblem({ 'x-a': '1', 'X-A': '2' })).toMatch('stands twice')
    expect(headersProblem(Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`h${n}`, ''])))).toMatch(
      'more than 20',
    )
    expect(headersProblem({ Authorization: 'Bearer abc', 'x-shop': '7' })).toBeNull()
  })
})

describe('whatever happens to an endpoint', () => {
  const someChange: fc.Arbitrary<EndpointChange> = fc.oneof(
    fc.constantFrom<EndpointChange>(
      creation(),
      { kind: 'enable' },
      { kind: 'recover' },
      { kind: 'requestVerification' },
      { kind: 'delete' },
      { kind: 'verify', address: url },
      { kind: 'verify', address: 'https://other.example/' },
      { kind: 'update', settings: otherUrl },
      { kind: 'update', settings: webhookSettings() },
      { ...creation(), kind: 'declare', activeFrom: isoOf(0), secret: null },
      { ...creation(), kind: 'declare', activeFrom: isoOf(0), secret: { secretId: 'f', sealed: 'f' } },
    ),
    fc
      .nat(9)
      .map((n): EndpointChange => ({ kind: 'rotateSecret', secret: { secretId: `r${n}`, sealed: 'r' } })),
    fc
      .constantFrom('by_operator', 'gone', 'failing', 'unsubscribed')
      .map((reason): EndpointChange => ({ kind: 'disable', reason })),
    fc
      .constantFrom(50, 75, 90)
      .map((percent): EndpointChange => ({ kind: 'warn', percent, failingSinceMs: startMs })),
  )

  test('its record is one that every reader reads, revisions rise by one, and states fit their members', () => {
    fc.assert(
      fc.property(fc.array(someChange, { maxLength: 150 }), (changes) => {
        let known: Endpoint | null = null
        for (const [index, change] of changes.entries()) {
          const decision = changeEndpoint(known, change, { nowMs: startMs + index * 3_600_000, by: 'test' })
          if (decision.kind !== 'changed') continue
          const { next } = decision
          expect(endpointRecord.parse(next)).toEqual(next)
          expect(next.revision).toBe((known?.revision ?? 0) + 1)
          expect(next.target === null).toBe(next.state === 'deleted')
          expect(next.reason !== null).toBe(next.state === 'disabled')
          expect(next.state === 'active' && next.activeFrom === null).toBe(false)
          expect(next.state === 'unverified' && next.activeFrom !== null).toBe(false)
          expect(next.secrets.length > 0).toBe(next.state !== 'deleted')
          expect(new Set(next.secrets.map(({ secretId }) => secretId)).size).toBe(next.secrets.length)
          expect(next.history.at(-1)).toMatchObject({ at: next.changedAt, by: 'test' })
          known = next
        }
      }),
    )
  })
})
