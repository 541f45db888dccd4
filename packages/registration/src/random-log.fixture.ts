import type { OracleRecord } from '@signalbox/naive-oracle/naive-oracle'
import {
  type Dialect,
  type Notification,
  type NotificationItem,
  observe,
  type Observed,
  observeInquiry,
  observeOpening,
} from './observation.ts'
import { createRandom, type Random } from './seeded-random.fixture.ts'
import type { Erasure, Forgetting, RegistrationId } from './statement.ts'

// For tests only. The alphabets are small on purpose: what goes wrong, goes wrong when things collide. Plain seeded
// choices, because fast-check spends more on making a log than the fold on reading it.

/** One record of the raw log. */
export type Sent =
  | { kind: 'notification'; notification: Notification; style: Style }
  | { kind: 'inquiry'; answer: Omit<Notification, 'push'>; style: Style }
  | { kind: 'opening'; opening: Parameters<typeof observeOpening>[0] }
  | { kind: 'command'; command: Erasure | Forgetting; appendTimeMs: number }

/** How a sender may write the same message. */
type Style = { omitsNull: boolean; reverses: boolean; saysRejectReasons: boolean }

export function observed(sent: Sent): Observed {
  if (sent.kind === 'notification') return observe(sent.notification)
  if (sent.kind === 'inquiry') return observeInquiry(sent.answer)
  if (sent.kind === 'opening') return observeOpening(sent.opening)
  return { kind: 'statement', statement: sent.command }
}

/** Of one registration: notifications in up to eight rounds, inquiries and openings; nothing belongs in quarantine. */
export function soundLog(seed: number): Sent[] {
  const random = createRandom(seed)
  const context = contextOf(random, { mostRounds: 8 })
  return logOf(random, () => {
    const kind = random.next()
    if (kind < 0.1) return opening(random, context, theOne)
    if (kind < 0.22) return inquiry(random, context, theOne)
    return notification(random, context, theOne)
  })
}

/** Of several registrations and clients, with erasures, many rounds, and records that belong in quarantine. */
export function anyLog(seed: number): Sent[] {
  const random = createRandom(seed)
  const mostRounds = random.chance(0.002) ? 70 : random.chance(0.05) ? 12 : 8
  const context = contextOf(random, { mostRounds })
  const client = random.pick(clients)
  const isErasing = random.chance(0.4)
  return logOf(
    random,
    (last) => {
      if (last?.kind === 'command' && last.command.kind === 'erasure' && random.chance(0.4)) {
        return forgetting(random, last.command)
      }
      const about = registration(random, random.chance(0.9) ? client : random.pick(clients))
      const kind = random.next()
      if (kind < 0.08) return opening(random, context, about)
      if (kind < 0.2) return inquiry(random, context, about)
      if (kind < 0.28 && isErasing) return erasure(random, context, about)
      const sent = notification(random, context, about)
      return random.chance(0.04) ? spoilt(random, sent) : sent
    },
    mostRounds === 70 ? 100 : undefined,
  )
}

type Registered = RegistrationId & { dialect: Dialect; push: boolean }

const clients = [
  { clientId: 'ALIPAYPLUS', dialect: 'alipayplus', push: false },
  { clientId: 'PUSH', dialect: 'alipayplus', push: true },
  { clientId: 'AMS', dialect: 'ams', push: false },
] as const

const theOne: Registered = { ...clients[0], referenceMerchantId: 'M1', referenceStoreId: 'S1' }

function registration(random: Random, client: (typeof clients)[number]): Registered {
  const referenceStoreId = client.push || random.chance(0.85) ? 'S1' : null
  return { ...client, referenceMerchantId: random.chance(0.92) ? 'M1' : 'M2', referenceStoreId }
}

/** What the records of one log have in common. */
type Context = {
  rounds: readonly (string | null)[]
  timesMs: readonly number[]
  snapshots: readonly Snapshot[]
}

type Snapshot = {
  round: string | null
  collectiveStatus: string | null
  items: readonly NotificationItem[]
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const beginningMs = 1_600_387_200_000 // 18 September 2020

function contextOf(random: Random, { mostRounds }: { mostRounds: number }): Context {
  const count =
    mostRounds === 70 ? 70 : random.chance(0.6) ? 1 + random.below(2) : 1 + random.below(mostRounds)
  const named = Array.from({ length: count }, (_, index) => `R${index + 1}`)
  const rounds = random.chance(0.4) ? [...named, null, random.chance(0.5) ? '' : null] : named
  const timesMs = Array.from({ length: 1 + random.below(5) }, () => {
    const scale = random.next()
    if (scale < 0.4) return beginningMs + random.below(16) * minuteMs
    return beginningMs + (scale < 0.8 ? random.below(61) * hourMs : random.below(10) * dayMs)
  })
  const snapshots = Array.from({ length: 1 + random.below(6) }, () => ({
    round: random.pick(rounds),
    collectiveStatus: random.pick(['COMPLETED', 'PENDING']),
    items: Array.from({ length: random.below(4) }, () => item(random)),
  }))
  return { rounds, timesMs, snapshots }
}

function item(random: Random): NotificationItem {
  return {
    pspName: random.pick(['GCASH', 'GCASH', 'GCASH', 'TNG', 'ALIPAY_CN', 'AlipayCN']),
    status: random.pick([
      'PENDING',
      'PENDING',
      'APPROVED',
      'APPROVED',
      'REJECTED',
      'CANCELLED',
      'CANCELLED',
      null,
      '',
    ]),
    rejectionReason: random.chance(0.75) ? null : random.pick(['', 'expired', 'unclear', ['b', 'a'], ['']]),
    productCodes: random.chance(0.9)
      ? random.pick([['IN_STORE_PAYMENT'], ['IN_STORE_PAYMENT'], ['IN_STORE_PAYMENT', 'CASHIER_PAYMENT']])
      : random.pick([['NEW_PRODUCT'], ['*'], ['CASHIER_PAYMENT', 'CASHIER_PAYMENT', '']]),
  }
}

/** Mostly short, because few records are enough for most faults and the oracle is slow on many. */
function logOf(random: Random, next: (last: Sent | undefined) => Sent, most?: number): Sent[] {
  const log: Sent[] = []
  const length = 1 + random.below(most ?? (random.chance(0.15) ? 20 : 8))
  while (log.length < length) {
    const isRepeat = log.length > 0 && random.chance(0.12)
    log.push(isRepeat ? random.pick(log) : next(log.at(-1)))
  }
  return log
}

/** Often the same as another one, or just before, at or after the distances that the rules know. */
function time(random: Random, { timesMs }: Context): number {
  const baseMs = random.pick(timesMs)
  if (random.chance(0.5)) return baseMs
  return baseMs + random.pick([0, 25 * hourMs, 48 * hourMs, -25 * hourMs]) + random.pick([-1, 0, 0, 1])
}

function style(random: Random): Style {
  return {
    omitsNull: random.chance(0.3),
    reverses: random.chance(0.2),
    saysRejectReasons: random.chance(0.3),
  }
}

function reported(random: Random, context: Context, { dialect, ...ids }: Registered) {
  const snapshot = random.pick(context.snapshots)
  const requestTimeMs = time(random, context)
  return {
    clientId: ids.clientId,
    dialect,
    referenceMerchantId: ids.referenceMerchantId,
    referenceStoreId: ids.referenceStoreId,
    requestTimeMs,
    appendTimeMs: requestTimeMs + random.pick([0, 25 * hourMs, -48 * hourMs]),
    collectiveStatus:
      dialect === 'ams' && random.chance(0.2) ? random.pick([null, '']) : snapshot.collectiveStatus,
    // Lists may omit entries, and AMS names no products.
    items: snapshot.items
      .filter(() => random.chance(0.9))
      .map((item) => (dialect === 'ams' ? { ...item, productCodes: null } : item)),
    snapshot,
  }
}

function notification(random: Random, context: Context, about: Registered): Sent & { kind: 'notification' } {
  const { snapshot, ...said } = reported(random, context, about)
  const sent = { ...said, registrationRequestId: snapshot.round, push: about.push }
  return { kind: 'notification', notification: sent, style: style(random) }
}

function inquiry(random: Random, context: Context, about: Registered): Sent {
  const { snapshot: _, ...said } = reported(random, context, about)
  const asked = random.chance(0.6) ? random.pick(context.rounds) : random.pick([null, 'R1', 'R9'])
  return { kind: 'inquiry', answer: { ...said, registrationRequestId: asked }, style: style(random) }
}

function opening(random: Random, context: Context, about: Registered): Sent {
  const openedAtMs = time(random, context)
  const opening = {
    registration: idOf(about),
    round: random.pick(context.rounds) || 'R1',
    openedAtMs,
    productCodes: random.pick([[], ['IN_STORE_PAYMENT'], ['IN_STORE_PAYMENT', 'CASHIER_PAYMENT']]),
    appendTimeMs: openedAtMs - random.pick([0, 48 * hourMs]),
  }
  return { kind: 'opening', opening }
}

function erasure(random: Random, context: Context, about: Registered): Sent {
  const erasedAtMs = time(random, context)
  return {
    kind: 'command',
    command: { kind: 'erasure', registration: idOf(about), erasedAtMs },
    appendTimeMs: erasedAtMs,
  }
}

/** Mostly just in time. */
function forgetting(random: Random, { registration, erasedAtMs }: Erasure): Sent {
  const appendTimeMs = erasedAtMs + 31 * dayMs + random.pick([-1, 0, 0, 1])
  return {
    kind: 'command',
    command: { kind: 'forgetting', registration, appendTimeMs },
    appendTimeMs,
  }
}

function idOf({ clientId, referenceMerchantId, referenceStoreId }: Registered): RegistrationId {
  return { clientId, referenceMerchantId, referenceStoreId }
}

const faults: readonly ((sound: Notification) => Notification)[] = [
  (sound) => ({ ...sound, referenceMerchantId: null }),
  (sound) => ({ ...sound, referenceMerchantId: 'M'.repeat(65) }),
  (sound) => ({ ...sound, referenceStoreId: 'S'.repeat(33) }),
  (sound) => ({ ...sound, registrationRequestId: 'R\0' }),
  (sound) => ({ ...sound, collectiveStatus: 'DONE' }),
  (sound) => ({ ...sound, appendTimeMs: sound.requestTimeMs - 48 * hourMs - 1 }),
  (sound) => ({ ...sound, items: sound.items.map((item) => ({ ...item, pspName: '' })) }),
  (sound) => ({ ...sound, items: sound.items.map((item) => ({ ...item, status: 'approved' })) }),
  (sound) => ({ ...sound, items: sound.items.map((item) => ({ ...item, productCodes: [''] })) }),
]

/** Mostly for quarantine. */
function spoilt(random: Random, sent: Sent & { kind: 'notification' }): Sent {
  return { ...sent, notification: random.pick(faults)(sent.notification) }
}

// ---- The same record as the oracle reads it: JSON ----

export function oracleRecord(sent: Sent): OracleRecord {
  if (sent.kind === 'notification') {
    const { clientId, dialect, push, requestTimeMs, appendTimeMs } = sent.notification
    const ids = {
      referenceMerchantId: sent.notification.referenceMerchantId,
      referenceStoreId: sent.notification.referenceStoreId,
      registrationRequestId: sent.notification.registrationRequestId,
    }
    const body = written(sent.notification, { ids, style: sent.style })
    return { body, clientId, dialect, push, requestTimeMs, appendTimeMs }
  }
  if (sent.kind === 'inquiry') {
    const { clientId, dialect, requestTimeMs, appendTimeMs } = sent.answer
    const asked = {
      merchant: sent.answer.referenceMerchantId ?? '',
      store: sent.answer.referenceStoreId,
      round: sent.answer.registrationRequestId,
    }
    const result = { resultCode: 'SUCCESS', resultStatus: 'S' }
    const body = written(sent.answer, { ids: { result }, style: sent.style })
    return { kind: 'inquiry', body, clientId, dialect, asked, requestTimeMs, appendTimeMs }
  }
  if (sent.kind === 'opening') {
    const { registration, round, openedAtMs, productCodes, appendTimeMs } = sent.opening
    return command(registration, appendTimeMs, {
      command: 'registration.opened',
      registrationRequestId: round,
      // oxlint-disable-next-line no-restricted-globals -- reads no clock
      openedAt: new Date(openedAtMs).toISOString(),
      productCodes,
    })
  }
  const name = { erasure: 'registration.erased', forgetting: 'registration.forgotten' }[sent.command.kind]
  return command(sent.command.registration, sent.appendTimeMs, { command: name })
}

function command(
  { clientId, referenceMerchantId, referenceStoreId }: RegistrationId,
  appendTimeMs: number,
  members: Record<string, unknown>,
): OracleRecord {
  const body = JSON.stringify({
    ...members,
    referenceMerchantId,
    ...(referenceStoreId === null ? {} : { referenceStoreId }),
  })
  return { kind: 'command', body, clientId, appendTimeMs }
}

function written(
  { collectiveStatus, items }: Pick<Notification, 'collectiveStatus' | 'items'>,
  { ids, style }: { ids: Record<string, unknown>; style: Style },
): string {
  const object = (members: Record<string, unknown>) => {
    if (!style.omitsNull && !style.reverses) return members
    const written = Object.entries(members).filter(([, value]) => !(style.omitsNull && value === null))
    return Object.fromEntries(style.reverses ? written.toReversed() : written)
  }
  const body = object({
    ...ids,
    registrationResult: object({ registrationStatus: collectiveStatus }),
    pspRegistrationResultList:
      items.length === 0
        ? null
        : items.map(({ pspName, status, rejectionReason, productCodes }) =>
            object({
              pspName,
              registrationResult: object({
                registrationStatus: status,
                [style.saysRejectReasons ? 'rejectReasons' : 'rejectionReason']: rejectionReason,
              }),
              productCodes,
            }),
          ),
  })
  return JSON.stringify(body)
}
