import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import type { Random } from './random.ts'
import { createWording, type Wording } from './wording.ts'

export type Dialect = 'alipayplus' | 'ams'
export type Registration = RegistrationTruth['registration']
type Entry = RegistrationTruth['entries'][number]
type FinalStatus = Exclude<Entry['status'], 'PENDING'>

/** One MPP's answer, or that it has none yet, for some of its products. */
export type Item = {
  pspName: string
  /** Null in the AMS dialect, which names no products. */
  productCodes: readonly string[] | null
  status: Entry['status']
  rejectionReason: string | null
}

/** What one notification says: where all MPPs of a registration stood at one moment. */
export type Snapshot = {
  /** The registrationRequestId of its round; null where Alipay+ names none. */
  round: string | null
  /** Whether it is the first of its round, whose Request-Time says when the round began. */
  opensRound: boolean
  signedAtMs: number
  collectiveStatus: RegistrationTruth['collectiveStatus']
  /** Null before any MPP has answered. */
  items: readonly Item[] | null
  wording: Wording
}

/** All snapshots of one registration, in the order in which they became true; at least one. */
export type LifeHistory = {
  registration: Registration
  dialect: Dialect
  snapshots: readonly Snapshot[]
}

const minuteMs = 60_000
const longestQuietMs = 120 * minuteMs
const mostItems = 4

const mppNames = [
  'ALIPAY_CN',
  'ALIPAY_HK',
  'GCASH',
  'KAKAOPAY',
  'TNG',
  'DANA',
  'TRUEMONEY',
  'BOOST',
  'NAVERPAY',
  'TOSSPAY',
] as const

/** Products that one MPP may be asked for: all in one item, or in two that are answered apart. */
const productSplits: readonly (readonly (readonly string[])[])[] = [
  [['IN_STORE_PAYMENT']],
  [['CASHIER_PAYMENT']],
  [['CASHIER_PAYMENT', 'AGREEMENT_PAYMENT']],
  [['IN_STORE_PAYMENT'], ['CASHIER_PAYMENT']],
  [['AGREEMENT_PAYMENT'], ['IN_STORE_PAYMENT', 'CASHIER_PAYMENT']],
]

const rejectionReasons = [
  'The business licence has expired.',
  'The storefront photo does not show the store name.',
  '商户营业执照已过期，请重新提交。',
  'The website cannot be reached: https://shop.example/?a="b"&c=\\d',
  'Merchant category 7995 is not supported 🎰',
] as const

/**
 * Lets one registration live: its MPPs answer one after the other, each answer is a snapshot that only gains
 * finals, and after a rejection the merchant may register again under a new request id.
 *
 * It ends within two hours before `nowMs` and begins less than a day before, so that every Request-Time is one
 * that the real schedule of retries could still bring.
 */
export function createLifeHistory(options: {
  random: Random
  registration: Registration
  dialect: Dialect
  /** What the request ids begin with; null for a registration whose notifications name no round. */
  requestIdPrefix: string | null
  nowMs: number
  /** Whether a snapshot before COMPLETED lists only the newest answer. */
  deltaLists: boolean
}): LifeHistory {
  const { random, dialect, requestIdPrefix } = options
  const asked = askedItems(random, dialect)
  const snapshots = createRound({ ...options, asked, number: 1, startMs: 0 })
  const last = snapshots.at(-1)
  const rejected = last?.items?.some((item) => item.status === 'REJECTED') ?? false
  if (last?.collectiveStatus === 'COMPLETED' && rejected && requestIdPrefix !== null && random.chance(0.6)) {
    const startMs = last.signedAtMs + random.between(30 * minuteMs, 180 * minuteMs)
    snapshots.push(...createRound({ ...options, asked, number: 2, startMs }))
  }
  const endMs = options.nowMs - random.between(1_000, longestQuietMs)
  const shiftMs = endMs - (snapshots.at(-1)?.signedAtMs ?? 0)
  return {
    registration: options.registration,
    dialect,
    snapshots: snapshots.map((snapshot) => ({ ...snapshot, signedAtMs: snapshot.signedAtMs + shiftMs })),
  }
}

/** The state that a history ends in: the latest word on every entry, and on the whole. */
export function truthOf({ registration, snapshots }: LifeHistory): RegistrationTruth {
  const entries = new Map<string, Entry>()
  for (const { items } of snapshots) {
    for (const { pspName, productCodes, status, rejectionReason } of items ?? []) {
      for (const productCode of productCodes ?? ['*']) {
        entries.set(`${pspName}\0${productCode}`, { pspName, productCode, status, rejectionReason })
      }
    }
  }
  return {
    registration,
    collectiveStatus: snapshots.at(-1)?.collectiveStatus ?? 'PENDING',
    entries: [...entries.keys()].toSorted().flatMap((key) => entries.get(key) ?? []),
  }
}

function createRound(options: {
  random: Random
  dialect: Dialect
  requestIdPrefix: string | null
  deltaLists: boolean
  asked: readonly Item[]
  number: number
  startMs: number
}): Snapshot[] {
  const { random, asked, dialect } = options
  const answered = random
    .shuffled(asked)
    .map((item) => ({ ...item, ...createAnswer({ random, again: options.number > 1 }) }))
  // Some MPPs take longer than the history lasts.
  const answers = random.chance(0.8) ? answered.length : random.between(1, answered.length)
  const round = options.requestIdPrefix === null ? null : `${options.requestIdPrefix}-${options.number}`
  // The first notification may come before any MPP has answered.
  const fewest = random.chance(0.5) ? 0 : 1

  let signedAtMs = options.startMs
  return Array.from({ length: answers - fewest + 1 }, (_, index) => {
    const count = fewest + index
    if (index > 0) signedAtMs += random.between(minuteMs, 80 * minuteMs)
    const complete = count === asked.length
    const listed = [
      ...answered.slice(options.deltaLists && !complete ? Math.max(0, count - 1) : 0, count),
      ...(options.deltaLists ? [] : asked.filter((item) => !answered.slice(0, count).some(isSame(item)))),
    ]
    return {
      round,
      opensRound: index === 0,
      signedAtMs,
      collectiveStatus: complete ? ('COMPLETED' as const) : ('PENDING' as const),
      items: count === 0 ? null : listed,
      wording: createWording(random, dialect),
    }
  })
}

/** What the merchant asks for: items that nobody has answered yet. */
function askedItems(random: Random, dialect: Dialect): Item[] {
  const waiting = { status: 'PENDING', rejectionReason: null } as const
  const mpps = random.shuffled(mppNames).slice(0, random.between(1, mostItems))
  const items = mpps.flatMap((pspName) => {
    const products = dialect === 'ams' ? [null] : random.pick(productSplits)
    return products.map((productCodes) => ({ pspName, productCodes, ...waiting }))
  })
  return items.slice(0, mostItems)
}

function createAnswer({ random, again }: { random: Random; again: boolean }): {
  status: FinalStatus
  rejectionReason: string | null
} {
  const status = random.pick<FinalStatus>(
    again
      ? ['APPROVED', 'APPROVED', 'APPROVED', 'REJECTED']
      : ['APPROVED', 'APPROVED', 'APPROVED', 'REJECTED', 'REJECTED', 'CANCELLED'],
  )
  return { status, rejectionReason: status === 'REJECTED' ? random.pick(rejectionReasons) : null }
}

function isSame(item: Item) {
  return (other: Item) => other.pspName === item.pspName && other.productCodes === item.productCodes
}
