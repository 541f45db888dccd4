import type { Notification, NotificationItem } from '../observation.ts'
import type { Random } from '../seeded-random.fixture.ts'
import type { CollectiveStatus, EntryStatus, FinalStatus } from '../statement.ts'

// For tests only: a sender that tells the truth over a network that loses messages and acknowledgements.

/** A retry is signed with its own time, or with that of the first attempt. */
export const requestTimes = ['fresh', 'frozen'] as const

/** A list names every MPP; those that have answered; the one that has just answered. */
export const lists = ['full', 'partial', 'delta'] as const

/** What is not known of the real sender, and how bad the network is. */
export type Conditions = {
  requestTime: (typeof requestTimes)[number]
  lists: (typeof lists)[number]
  /** Whether an MPP may take back its answer. */
  reversals: boolean
  /** Whether the merchant registers again once it knows that it was rejected. */
  registersAgain: boolean
  /** The share of messages that are lost, and of acknowledgements. */
  loss: number
}

export type Truth = {
  collective: CollectiveStatus
  /** The latest word on every MPP that was ever spoken of. */
  entries: ReadonlyMap<string, { status: EntryStatus; reason: string | null }>
}

export type SenderHistory = {
  /** In the order of their arrival. */
  arrived: readonly Notification[]
  truth: Truth
  /** Whether some message was lost in every one of its copies. */
  isSomeMessageLost: boolean
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const beginningMs = 1_600_387_200_000 // 18 September 2020

/** The documented schedule: a first attempt and seven retries over 24 h 22 min. */
const attemptsMs = [
  0,
  2 * minuteMs,
  12 * minuteMs,
  22 * minuteMs,
  82 * minuteMs,
  202 * minuteMs,
  562 * minuteMs,
  1462 * minuteMs,
]

const mpps = ['GCASH', 'KAKAOPAY', 'TNG']

/** Where every MPP stands; an MPP that is missing has not answered. */
type Standing = ReadonlyMap<string, Answer>
type Answer = { status: FinalStatus; reason: string | null }

type Message = {
  sentAtMs: number
  round: string
  collective: CollectiveStatus
  /** null: no answer yet. */
  listed: ReadonlyMap<string, Answer | null>
}

type Arrival = { atMs: number; requestTimeMs: number; message: Message }

/** The life of one registration, from its first message until the last retry. */
export function createSenderHistory(random: Random, conditions: Conditions): SenderHistory {
  const asked = mpps.slice(0, 1 + random.below(mpps.length))
  const messages: Message[] = []
  const arrivals: Arrival[] = []
  let isSomeMessageLost = false
  let startMs = beginningMs
  for (let number = 1; number <= 3; number++) {
    const round = createRound(random, { conditions, asked, round: `R${number}`, startMs })
    const sent = round.map((message) => ({ message, copies: copiesOf(random, message, conditions) }))
    messages.push(...round)
    arrivals.push(...sent.flatMap(({ copies }) => copies))
    isSomeMessageLost ||= sent.some(({ copies }) => copies.length === 0)

    const rejectedAtMs = Math.min(
      ...sent.flatMap(({ message, copies }) => (isFinished(message) ? copies.map(({ atMs }) => atMs) : [])),
    )
    if (!conditions.registersAgain || rejectedAtMs === Infinity) break
    startMs = Math.max(rejectedAtMs, ...round.map(({ sentAtMs }) => sentAtMs)) + delay(random)
  }
  return {
    arrived: arrivals.toSorted((left, right) => left.atMs - right.atMs).map(notificationOf),
    truth: truthOf(messages),
    isSomeMessageLost,
  }
}

/** Everybody has answered and somebody rejected: what makes a merchant register again. */
function isFinished({ collective, listed }: Message): boolean {
  return collective === 'COMPLETED' && [...listed.values()].some((answer) => answer?.status === 'REJECTED')
}

/** From a minute to days; as likely minutes as hours as days. */
function delay(random: Random): number {
  return Math.round(minuteMs * ((5 * dayMs) / minuteMs) ** random.next())
}

function createRound(
  random: Random,
  {
    conditions,
    asked,
    round,
    startMs,
  }: { conditions: Conditions; asked: readonly string[]; round: string; startMs: number },
): Message[] {
  const answers = asked.flatMap((mpp) => {
    // Some never answer.
    if (random.chance(0.1)) return []
    const first = { mpp, atMs: startMs + delay(random), answer: answerOf(random, null) }
    if (!conditions.reversals || random.chance(0.5)) return [first]
    const second = { mpp, atMs: first.atMs + delay(random), answer: answerOf(random, first.answer) }
    if (random.chance(0.7)) return [first, second]
    return [first, second, { mpp, atMs: second.atMs + delay(random), answer: first.answer }]
  })
  answers.sort((left, right) => left.atMs - right.atMs)

  const standing = new Map<string, Answer>()
  const messages = [messageOf({ asked, standing, round, sentAtMs: startMs, newest: null, conditions })]
  for (const { mpp, atMs, answer } of answers) {
    standing.set(mpp, answer)
    messages.push(messageOf({ asked, standing, round, sentAtMs: atMs, newest: mpp, conditions }))
  }
  return messages
}

function answerOf(random: Random, before: Answer | null): Answer {
  const choices = (['APPROVED', 'REJECTED', 'CANCELLED'] as const).filter(
    (status) => status !== before?.status,
  )
  const status = random.pick(choices)
  return { status, reason: status === 'REJECTED' ? random.pick(['expired', 'unclear photo']) : null }
}

function messageOf({
  asked,
  standing,
  round,
  sentAtMs,
  newest,
  conditions,
}: {
  asked: readonly string[]
  standing: Standing
  round: string
  sentAtMs: number
  newest: string | null
  conditions: Conditions
}): Message {
  const named = {
    full: asked,
    partial: asked.filter((mpp) => standing.has(mpp)),
    delta: asked.filter((mpp) => mpp === newest),
  }[conditions.lists]
  return {
    sentAtMs,
    round,
    collective: asked.every((mpp) => standing.has(mpp)) ? 'COMPLETED' : 'PENDING',
    listed: new Map(named.map((mpp) => [mpp, standing.get(mpp) ?? null])),
  }
}

/** The copies that reach us: the sender repeats a message until an acknowledgement reaches it, or it gives up. */
function copiesOf(random: Random, message: Message, { requestTime, loss }: Conditions): Arrival[] {
  const copies: Arrival[] = []
  for (const [number, afterMs] of attemptsMs.entries()) {
    const attemptMs = message.sentAtMs + afterMs + (number === 0 ? 0 : random.below(30_000))
    if (random.chance(loss)) continue
    const requestTimeMs = requestTime === 'fresh' ? attemptMs : message.sentAtMs
    copies.push({ atMs: attemptMs + random.below(5_000), requestTimeMs, message })
    if (!random.chance(loss)) break
  }
  return copies
}

function truthOf(messages: readonly Message[]): Truth {
  const entries = new Map<string, { status: EntryStatus; reason: string | null }>()
  for (const { listed } of messages) {
    for (const [mpp, answer] of listed) entries.set(mpp, answer ?? { status: 'PENDING', reason: null })
  }
  return { collective: messages.at(-1)?.collective ?? 'PENDING', entries }
}

const productCodes = ['IN_STORE_PAYMENT']

function notificationOf({ atMs, requestTimeMs, message }: Arrival): Notification {
  const items = [...message.listed].map(
    ([pspName, answer]): NotificationItem => ({
      pspName,
      status: answer?.status ?? 'PENDING',
      rejectionReason: answer?.reason ?? null,
      productCodes,
    }),
  )
  return {
    clientId: 'ALIPAYPLUS',
    dialect: 'alipayplus',
    push: false,
    referenceMerchantId: 'M1',
    referenceStoreId: 'S1',
    registrationRequestId: message.round,
    requestTimeMs,
    appendTimeMs: atMs,
    collectiveStatus: message.collective,
    items,
  }
}
