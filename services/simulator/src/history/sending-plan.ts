import assert from 'node:assert/strict'
import type { RegistrationTruth, SentLine } from '@signalbox/contracts/simulator-files'
import { createLifeHistory, type Dialect, type LifeHistory, type Snapshot, truthOf } from './life-history.ts'
import { createRandom, type Random } from './random.ts'
import { retryOffsetsMs } from './retry-schedule.ts'
import { createQuirks, type SenderQuirks } from './sender-quirks.ts'

/** One notification to be sent; its place in the plan is its turn. */
export type PlannedSend = {
  sendId: string
  kind: SentLine['kind']
  history: LifeHistory
  snapshot: Snapshot
  requestTimeMs: number
  /**
   * Whether a retry is signed anew with the time it would have by the schedule. Never for a snapshot that opens
   * a round: should its first time reach nobody, the rounds could change places.
   */
  freshTimeOnRetry: boolean
  quirks: SenderQuirks
}

export type SendingPlan = { sends: readonly PlannedSend[]; truths: readonly RegistrationTruth[] }

export type PlanOptions = {
  seed: number
  /** The end of all histories. */
  nowMs: number
  /** Whose registrations they are. `merchants` are ids to begin with, before made-up ones. */
  clients: readonly PlanClient[]
  /** All sends, copies included. */
  notifications: number
  /** Shares of all sends. */
  duplicates: number
  late: number
  deltaLists: boolean
}

type PlanClient = { clientId: string; dialect: Dialect; merchants: readonly string[] }

/** A send and its turn, a number that only serves to order. */
type Placed = { place: number; send: PlannedSend }

/**
 * Makes life histories and the order in which their notifications arrive: interleaved, some overtaken by the
 * next, some twice, and some old snapshots again after newer ones. A function of its options alone.
 */
export function createSendingPlan(options: PlanOptions): SendingPlan {
  const { nowMs } = options
  const random = createRandom(options.seed)
  // There is at least one to copy.
  const copies = Math.max(0, options.notifications - 1)
  const duplicates = Math.min(copies, Math.round(options.notifications * options.duplicates))
  const late = Math.min(copies - duplicates, Math.round(options.notifications * options.late))
  const histories = createHistories(random, options, options.notifications - duplicates - late)

  const firstsByHistory = histories.map((history) => placeFirsts(random, history))
  const firsts = firstsByHistory.flat()
  const overtaken = firstsByHistory.flatMap((own) =>
    own.slice(1).map((newer, index) => ({ old: own[index] ?? newer, newer })),
  )
  const duplicate = () => duplicateOf(random, { first: random.pick(firsts), nowMs })
  const placed = [
    ...firsts,
    ...Array.from({ length: duplicates }, duplicate),
    // Where every history has one snapshot only, there is nothing old to repeat.
    ...Array.from({ length: late }, () =>
      overtaken.length === 0 ? duplicate() : lateCopyOf(random, { ...random.pick(overtaken), nowMs }),
    ),
  ]
  return {
    sends: placed
      .toSorted((left, right) => left.place - right.place)
      .map(({ send }, turn) => ({ ...send, sendId: `${runId(nowMs)}-${String(turn + 1).padStart(6, '0')}` })),
    truths: histories.map(truthOf),
  }
}

/** What the ids of all sends of one run begin with. */
export function runId(nowMs: number): string {
  return `run-${nowMs.toString(36)}`
}

/** Histories of new registrations until they have this many snapshots together; the last one is cut to fit. */
function createHistories(random: Random, options: PlanOptions, snapshots: number): LifeHistory[] {
  const histories: LifeHistory[] = []
  let missing = snapshots
  for (let number = 1; missing > 0; number++) {
    const client = options.clients[(number - 1) % options.clients.length]
    assert(client !== undefined, 'there is at least one client')
    const known = client.merchants[Math.floor((number - 1) / options.clients.length)]
    const merchant = known ?? `M${options.seed}-${number}${random.chance(0.1) ? ' 门店*' : ''}`
    // In-store merchants have stores; an online one is registered by itself.
    const stores = random.chance(0.7) || known !== undefined ? random.between(1, 3) : 0
    const ids =
      stores === 0
        ? [null]
        : Array.from({ length: stores }, (_, at) => `S${options.seed}-${number}-${at + 1}`)
    for (const store of ids) {
      if (missing <= 0) break
      const unnamedRound = random.chance(0.15)
      const history = createLifeHistory({
        random,
        registration: { clientId: client.clientId, referenceMerchantId: merchant, referenceStoreId: store },
        dialect: client.dialect,
        requestIdPrefix: unnamedRound ? null : `R${options.seed}-${merchant}-${store ?? 'online'}`,
        nowMs: options.nowMs,
        deltaLists: options.deltaLists,
      })
      const kept = history.snapshots.slice(0, missing)
      histories.push({ ...history, snapshots: kept })
      missing -= kept.length
    }
  }
  return histories
}

/** Gives every snapshot of a history its turn within [0, 1); now and then one is overtaken by the next. */
function placeFirsts(random: Random, history: LifeHistory): Placed[] {
  const begin = random.next() * 0.8
  const step = (random.next() * (1 - begin)) / history.snapshots.length
  return history.snapshots.map((snapshot, index) => ({
    place: begin + step * (index + random.next() * 0.9 + (random.chance(0.1) ? 1.5 : 0)),
    send: {
      sendId: '',
      kind: 'first' as const,
      history,
      snapshot,
      requestTimeMs: snapshot.signedAtMs,
      freshTimeOnRetry: !snapshot.opensRound && random.chance(0.5),
      quirks: createQuirks(random, history.dialect),
    },
  }))
}

/** The same again soon after: byte for byte as by a network that doubles, or signed anew by the first retry. */
function duplicateOf(random: Random, { first, nowMs }: { first: Placed; nowMs: number }): Placed {
  const { place, send } = first
  const { history, snapshot } = send
  const retryMs = snapshot.signedAtMs + (retryOffsetsMs(history.dialect)[0] ?? 0) + random.between(0, 5_000)
  const again: PlannedSend =
    random.chance(0.5) || retryMs > nowMs
      ? { ...send, kind: 'duplicate' }
      : { ...send, kind: 'duplicate', requestTimeMs: retryMs, quirks: createQuirks(random, history.dialect) }
  return { place: place + random.next() * 0.02, send: again }
}

/** An old snapshot again after a newer one, because its answer got lost: with its own time or that of the retry. */
function lateCopyOf(
  random: Random,
  { old, newer, nowMs }: { old: Placed; newer: Placed; nowMs: number },
): Placed {
  const { history, snapshot } = old.send
  const retryTimesMs = retryOffsetsMs(history.dialect)
    .map((offsetMs) => snapshot.signedAtMs + offsetMs + random.between(0, 5_000))
    .filter((ms) => ms > newer.send.snapshot.signedAtMs && ms <= nowMs)
  const fresh = retryTimesMs.length > 0 && random.chance(0.7)
  return {
    place: Math.max(old.place, newer.place) + random.next() * 0.2,
    send: {
      ...old.send,
      kind: 'late',
      requestTimeMs: fresh ? random.pick(retryTimesMs) : snapshot.signedAtMs,
      quirks: createQuirks(random, history.dialect),
    },
  }
}
