import { beforeAll, describe, expect, test } from 'vitest'
import { foldObserved } from './fold-log.fixture.ts'
import type { Notification, NotificationItem, Observed } from './observation.ts'
import { check, type Findings, isEqual, logs, type Property } from './properties.fixture.ts'
import { anyLog, observed, type Sent } from './random-log.fixture.ts'
import { createRandom, type Random } from './seeded-random.fixture.ts'
import { contentHash } from './statement.ts'

type Studied = { random: Random; records: readonly Observed[] }

function study(log: readonly Sent[], seed: number): Studied {
  return { random: createRandom(seed + 1), records: log.map(observed) }
}

const sameInAnyOrder: Property<Sent, Studied> = {
  name: 'permuting a list, its codes and the members of an object, and null for nothing, changes nothing',
  complaint({ random, records }, log) {
    const otherwise = log.map((sent) => observed(permuted(sent, random)))
    return isEqual(otherwise, records) ? null : `says ${JSON.stringify(otherwise)}`
  },
}

function permuted(sent: Sent, random: Random): Sent {
  if (sent.kind === 'notification') {
    return { ...sent, notification: permutedMessage(sent.notification, random) }
  }
  if (sent.kind === 'inquiry') return { ...sent, answer: permutedMessage(sent.answer, random) }
  if (sent.kind === 'command') return sent
  const { opening } = sent
  return { ...sent, opening: { ...opening, productCodes: random.shuffled(opening.productCodes) } }
}

function permutedMessage<Message extends Omit<Notification, 'push'>>(
  message: Message,
  random: Random,
): Message {
  return {
    // Members that are written first come first.
    ...(random.chance(0.5) ? { items: [], collectiveStatus: null } : {}),
    ...message,
    referenceStoreId: orNothing(message.referenceStoreId, random),
    registrationRequestId: orNothing(message.registrationRequestId, random),
    collectiveStatus: orNothing(message.collectiveStatus, random),
    items: random.shuffled(message.items).map((item) => permutedItem(item, random)),
  }
}

function permutedItem(item: NotificationItem, random: Random): NotificationItem {
  const { pspName, status, rejectionReason, productCodes } = item
  return {
    productCodes: productCodes && random.shuffled(productCodes),
    rejectionReason: Array.isArray(rejectionReason)
      ? random.shuffled(rejectionReason)
      : orNothing(rejectionReason, random),
    status: orNothing(status, random),
    pspName,
  }
}

/** null and the empty text are the same. */
function orNothing<Value>(value: Value, random: Random): Value | null | '' {
  return value === null || value === '' ? random.pick([null, '']) : value
}

const contentTells: Property<Sent, Studied> = {
  name: 'changing any meaningful field changes the content, another Request-Time does not',
  complaint({ random, records }, log) {
    const index = random.below(log.length)
    const [sent, record] = [log[index], records[index]]
    if (sent === undefined || sent.kind === 'command' || record?.kind !== 'statement') return null
    const content = contentHash(record.statement)
    if (contentOf(signedLater(sent)) !== content)
      return `the time is part of the content: ${JSON.stringify(sent)}`
    const { what, changed } = changedSomehow(sent, random)
    if (contentOf(changed) !== content) return null
    return `${what} is not part of the content: ${JSON.stringify(changed)}`
  },
}

function contentOf(sent: Sent): string | null {
  const record = observed(sent)
  return record.kind === 'statement' ? contentHash(record.statement) : null
}

type Reported = Exclude<Sent, { kind: 'command' }>
type Change<Message> = { what: string; changed: Message }

function signedLater(sent: Reported): Reported {
  if (sent.kind === 'notification') return { ...sent, notification: later(sent.notification) }
  if (sent.kind === 'inquiry') return { ...sent, answer: later(sent.answer) }
  const { openedAtMs, appendTimeMs } = sent.opening
  const opening = { ...sent.opening, openedAtMs: openedAtMs + 1, appendTimeMs: appendTimeMs + 1 }
  return { ...sent, opening }
}

type Snapshot = Omit<Notification, 'push'>

function later<Message extends Snapshot>(message: Message): Message {
  const { requestTimeMs, appendTimeMs } = message
  return { ...message, requestTimeMs: requestTimeMs + 1, appendTimeMs: appendTimeMs + 1 }
}

function changedSomehow(sent: Reported, random: Random): Change<Reported> {
  if (sent.kind === 'notification') {
    const { notification, style } = sent
    const asInquiry = { kind: 'inquiry', answer: notification, style } as const
    if (random.chance(0.05)) return { what: 'being asked', changed: asInquiry }
    const { what, changed } = random.pick(changesOf(notification))
    return { what, changed: { ...sent, notification: changed } }
  }
  if (sent.kind === 'inquiry') {
    const { what, changed } = random.pick(changesOf(sent.answer))
    return { what, changed: { ...sent, answer: changed } }
  }
  const { opening } = sent
  const { what, changed } = random.pick([
    { what: 'the round', changed: { ...opening, round: 'another' } },
    { what: 'a product', changed: { ...opening, productCodes: [...opening.productCodes, 'ANOTHER'] } },
  ])
  return { what, changed: { ...sent, opening: changed } }
}

/** Each of them means something else than the message, which fits. */
function changesOf<Message extends Snapshot>(message: Message): Change<Message>[] {
  const { items, collectiveStatus, dialect } = message
  const changes: Change<Message>[] = [
    { what: 'the merchant', changed: { ...message, referenceMerchantId: 'another' } },
    { what: 'the store', changed: { ...message, referenceStoreId: 'another' } },
    { what: 'the round', changed: { ...message, registrationRequestId: 'another' } },
    {
      what: 'the collective status',
      changed: { ...message, collectiveStatus: collectiveStatus === 'PENDING' ? 'COMPLETED' : 'PENDING' },
    },
    {
      what: 'one more entry',
      changed: {
        ...message,
        items: [
          ...items,
          { pspName: 'ANOTHER', status: null, rejectionReason: null, productCodes: ['ANOTHER'] },
        ],
      },
    },
  ]
  const [first, ...others] = items
  if (first === undefined) return changes
  const withFirst = (what: string, changed: Partial<NotificationItem>) => ({
    what,
    changed: { ...message, items: [{ ...first, ...changed }, ...others] },
  })
  changes.push(
    withFirst('the name of an MPP', { pspName: 'ANOTHER' }),
    withFirst('a product', { productCodes: [...(first.productCodes ?? []), 'ANOTHER'] }),
  )
  // Another item about the same entry may say so already.
  if (others.length > 0) return changes
  changes.push(
    withFirst('a status', { status: first.status === 'APPROVED' ? 'REJECTED' : 'APPROVED' }),
    withFirst('a reason', { rejectionReason: 'another' }),
  )
  const isCashier = first.productCodes?.every((code) => code === 'CASHIER_PAYMENT' || code === '')
  if (dialect === 'ams' || isCashier === true) return changes
  return [...changes, withFirst('the products', { productCodes: ['CASHIER_PAYMENT'] })]
}

const total: Property<Sent, Studied> = {
  name: 'the fold is total: whatever the members hold, every record gets one outcome',
  complaint({ records }) {
    const { outcomes } = foldObserved(records)
    return outcomes.length === records.length ? null : `${outcomes.length} outcomes`
  },
}

/** Like any log, but what a member holds is often nothing that it should hold. */
function hostileLog(seed: number): Sent[] {
  const random = createRandom(seed)
  return anyLog(seed).map((sent) => hostile(sent, random))
}

function hostile(sent: Sent, random: Random): Sent {
  if (sent.kind === 'notification') {
    return { ...sent, notification: hostileMessage(sent.notification, random) }
  }
  if (sent.kind === 'inquiry') return { ...sent, answer: hostileMessage(sent.answer, random) }
  if (sent.kind === 'command') return sent
  const { opening } = sent
  return {
    ...sent,
    opening: {
      ...opening,
      round: hostileText(opening.round, random),
      openedAtMs: hostileTime(opening.openedAtMs, random),
      productCodes: opening.productCodes.map((code) => hostileText(code, random)),
    },
  }
}

function hostileMessage<Message extends Snapshot>(message: Message, random: Random): Message {
  const text = <Value>(value: Value) => hostileText(value, random)
  return {
    ...message,
    referenceMerchantId: text(message.referenceMerchantId),
    referenceStoreId: text(message.referenceStoreId),
    registrationRequestId: text(message.registrationRequestId),
    collectiveStatus: text(message.collectiveStatus),
    requestTimeMs: hostileTime(message.requestTimeMs, random),
    items: message.items.map(({ pspName, status, rejectionReason, productCodes }) => ({
      pspName: text(pspName),
      status: text(status),
      rejectionReason: random.chance(0.1) ? [hostileText('', random), 'b'] : text(rejectionReason),
      productCodes: productCodes && productCodes.map(text),
    })),
  }
}

const hostileTexts = [
  '\0',
  '\ud800',
  'a\udc00',
  '\u{1f3b0}'.repeat(64),
  'x'.repeat(65),
  'y'.repeat(1025),
  '__proto__',
  'constructor',
  'toString',
  '["a","b"]',
  '*',
  ' PENDING',
  'null',
]

function hostileText<Value>(value: Value, random: Random): Value | string {
  return random.chance(0.08) ? random.pick(hostileTexts) : value
}

const hostileTimes = [Number.NaN, Infinity, -Infinity, 1e300, -1e300, 2 ** 53, -0, 0.5]

function hostileTime(time: number, random: Random): number {
  return random.chance(0.05) ? random.pick(hostileTimes) : time
}

const runs = [
  { kind: 'random logs', logOf: anyLog, properties: [sameInAnyOrder, contentTells] },
  { kind: 'random logs with senseless members', logOf: hostileLog, properties: [total] },
]

describe.each(runs)(`on ${logs} $kind`, ({ logOf, properties }) => {
  let findings: Findings
  beforeAll(() => {
    findings = check({ logs, logOf, study, properties })
  }, 600_000)

  test.each(properties)('$name', ({ name }) => {
    expect(findings.broken.get(name)).toBeUndefined()
    expect(findings.logs).toBe(logs)
  })
})
