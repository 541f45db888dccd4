import assert from 'node:assert/strict'
import type { Attempt } from '@signalbox/alert-endpoints/attempt-log'
import {
  changeEndpoint,
  type Endpoint,
  type EndpointChange,
  standardSettings,
} from '@signalbox/alert-endpoints/endpoint'
import { fineHealth, type Health } from '@signalbox/alert-endpoints/endpoint-health'
import { SealingTrouble } from '@signalbox/alert-endpoints/sealing'
import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { EndpointTarget } from '@signalbox/contracts/endpoint-record'
import type { Answer } from '@signalbox/webhook-sender/send-webhook'
import type { CallOutcome, LaneEntry } from '../adapters/lanes.ts'
import { type OwedAlert, owedAlert } from '../owed-alert.ts'
import { vi } from 'vitest'
import { createDeliver } from './delivery.ts'
import { createEndpointCalls } from './endpoint-calls.ts'
import { createEndpointFate } from './endpoint-fate.ts'
import { createKnownEndpoints } from './known-endpoints.ts'
import type { Progress } from './progress.ts'
import { createSettlements } from './settlements.ts'

export const startMs = Date.UTC(2026, 0, 1)
/** For so long settlements are gathered. */
export const settlingMs = 25
export const url = 'https://merchant.example/hook'
export const body = JSON.stringify({
  type: 'registration.changed',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: {
    registration: { clientId: 'client', referenceMerchantId: 'merchant', referenceStoreId: null },
    version: 3,
    collective: null,
    events: [],
  },
})

export const alertOf = (version: number, differs: Partial<Omit<OwedAlert, 'id'>> = {}) =>
  owedAlert({
    subject: 'client/merchant/',
    version,
    variant: '',
    endpointId: 'one',
    partition: 0,
    owedSinceMs: Date.now(),
    ...differs,
  })

export const status = (code: number, retryAfter: string | null = null): Answer => ({
  kind: 'status',
  status: code,
  retryAfter,
  body: null,
})

/** Where nothing is said about an alert. */
const unknown = { isSettled: false, isOwed: true, isSuperseded: false, progress: null, body }

type Kept = {
  isSettled: boolean
  isOwed: boolean
  isSuperseded: boolean
  progress: Progress | null
  body: string | null
}

/**
 * The delivery on ports in memory; time is `Date.now`, which a test fakes. `breaking` names the calls that fail next,
 * each as often as it is named. The lane knows probes and nothing else, unless `lane` says what it answers.
 */
export function createDeliveryScene({
  backoffMs = [1_000, 2_000],
  concurrency = 100,
  answer = () => status(204),
  mailAnswer = () => ({ kind: 'none', error: 'mail_unavailable' }),
  target = { type: 'webhook', url, headers: { 'x-own': 'yes' } },
}: {
  /** The values of headers stand for sealed ones. */
  target?: EndpointTarget
  backoffMs?: readonly number[]
  /** Calls of the process at a time. */
  concurrency?: number
  /** The n-th call's, from 1. */
  answer?: (n: number) => Answer | Promise<Answer>
  /** Of the mail server, to every alert. */
  mailAnswer?: () => Answer | Promise<Answer>
} = {}) {
  const kept = new Map<string, Kept>()
  const known = (id: string) => kept.get(id) ?? unknown
  const keep = (id: string, differs: Partial<Kept>) => void kept.set(id, { ...known(id), ...differs })
  const sent: {
    id: string | undefined
    body: string
    headers: Record<string, string>
    endsByMs: number | undefined
  }[] = []
  const asked: { address: string | null; revision: number }[] = []
  const receipts: AlertReceipt[] = []
  const attempts: Omit<Attempt, 'class'>[] = []
  const left: CallOutcome[] = []
  const caps: number[] = []
  const breaking: string[] = []
  const seen: number[] = []
  const health = new Map<string, Health>()
  const endpoints = new Map<string, Endpoint>()
  const state = {
    lane: null as LaneEntry | null,
    isDoubtful: false,
    isBusy: false,
    canUnseal: true,
    isFull: false,
    /** So long the process stands still when it has entered the lane. */
    standsStillMs: 0,
    /** Time goes on until a settlement is written. */
    settlesByItself: true,
    /** With which receipts are confirmed. */
    receipt: Promise.resolve(),
  }
  let probeAtMs = 0

  const mayBreak = (call: string) => {
    const index = breaking.indexOf(call)
    if (index === -1) return
    breaking.splice(index, 1)
    throw new Error(state.isFull ? 'OOM command not allowed' : `${call} is broken`)
  }
  const change = (wanted: EndpointChange, endpointId = 'one', by = 'operator') => {
    const decision = changeEndpoint(endpoints.get(endpointId) ?? null, wanted, { nowMs: Date.now(), by })
    if (decision.kind === 'changed') endpoints.set(endpointId, decision.next)
    return decision.kind
  }

  const store = {
    read: async (endpointId: string) => health.get(endpointId) ?? fineHealth,
    async replace(endpointId: string, { from, to }: { from: Health; to: Health }) {
      mayBreak('health')
      if (JSON.stringify(health.get(endpointId) ?? fineHealth) !== JSON.stringify(from)) return false
      health.set(endpointId, to)
      return true
    },
  }
  const directory = createKnownEndpoints({
    view: { find: async (endpointId) => endpoints.get(endpointId) ?? null },
    health: store,
    sealing: {
      unseal(sealed) {
        if (!state.canUnseal) throw new SealingTrouble('no key opens it')
        return Buffer.from(sealed)
      },
    },
    now: Date.now,
    onSealed() {},
  })
  const fate = createEndpointFate({
    health: store,
    endpoints: directory,
    async change(endpointId, wanted) {
      mayBreak('change')
      if (!state.isBusy) change(wanted, endpointId, 'alerts')
      return { kind: state.isBusy ? 'busy' : 'made' }
    },
    budgetMs: 5 * 24 * 60 * 60 * 1_000,
  })
  const calls = createEndpointCalls(
    {
      lanes: {
        async enter({ nowMs, probeEveryMs, cap, leaseMs }) {
          const go = { kind: 'go', leaseEndsMs: nowMs + leaseMs } as const
          mayBreak('enter')
          vi.setSystemTime(Date.now() + state.standsStillMs)
          caps.push(cap)
          if (state.lane !== null) return state.lane
          if (probeEveryMs === null) return go
          if (nowMs < probeAtMs) {
            return { kind: 'wait', why: 'probing', waitMs: probeAtMs - nowMs, serviceMs: 0, outstanding: 1 }
          }
          probeAtMs = nowMs + probeEveryMs
          return go
        },
        async leave({ outcome, attempt }) {
          mayBreak('leave')
          left.push(outcome)
          if (attempt !== null) attempts.push(attempt)
        },
      },
      async send({ headers, body: text, signal, endsByMs }) {
        signal.throwIfAborted()
        sent.push({ id: headers['webhook-id'], body: text, headers, endsByMs })
        return answer(sent.length)
      },
      mail: {
        async sendMail({ signal }) {
          signal.throwIfAborted()
          return mailAnswer()
        },
        async sendVerification({ endpoint: { target }, revision }) {
          asked.push({ address: target?.type === 'email' ? target.address : null, revision })
          return answer(asked.length)
        },
      },
      report: { attempted() {} },
      now: Date.now,
      random: () => 0,
    },
    {
      rules: {
        backoffMs,
        timeoutMs: 15_000,
        concurrency,
        endpointConcurrency: 4,
        probeEveryMs: 3_600_000,
      },
      signingKey: null,
    },
  )
  const leftToSweep: number[] = []
  const settlements = createSettlements({
    book: {
      async settle(_, settled) {
        mayBreak('settle')
        for (const { alert } of settled) keep(alert.id, { isSettled: true, isOwed: false, progress: null })
      },
    },
    onLeft: (count) => void leftToSweep.push(count),
    now: Date.now,
  })
  const stop = new AbortController()
  const deliver = createDeliver(
    {
      settlements: {
        has: (alertId) => settlements.has(alertId),
        add(settlement) {
          const written = settlements.add(settlement)
          if (state.settlesByItself) void vi.advanceTimersByTimeAsync(settlingMs)
          return written
        },
      },
      book: {
        async begin({ id }) {
          mayBreak('begin')
          return known(id)
        },
        async keep({ id }, progress) {
          mayBreak('keep')
          keep(id, { progress })
        },
        async clear({ id }) {
          mayBreak('clear')
          keep(id, { isOwed: false, progress: null })
        },
      },
      calls,
      endpoints: directory,
      fate,
      receipts: {
        async write(receipt) {
          mayBreak('receipt')
          await state.receipt
          receipts.push(receipt)
        },
      },
      receiptsSeen: {
        isDoubtful: () => state.isDoubtful,
        async upTo(partition) {
          mayBreak('seen')
          seen.push(partition)
          return 0n
        },
      },
      report: { settled() {}, bodyLost() {}, fateUnknown() {} },
      now: Date.now,
      random: () => 0,
    },
    { retrySlots: 2, stop: stop.signal },
  )

  const create = change({
    kind: 'create',
    endpointId: 'one',
    clientId: 'client',
    merchant: 'merchant',
    settings: { ...standardSettings, target },
    secret: target.type === 'webhook' ? { secretId: 's1', sealed: 'sealed' } : null,
  })
  assert(create === 'changed')

  const run = (
    alert: OwedAlert,
    { signal = new AbortController().signal, isRetry = false, isDoubtful = false, isOurs = true } = {},
  ) => deliver({ alert, isRetry, isDoubtful }, { signal, isOurs: async () => isOurs })
  return {
    run,
    settlements,
    calls,
    directory,
    leftToSweep,
    stop,
    state,
    known,
    keep,
    sent,
    asked,
    receipts,
    attempts,
    left,
    /** With which the lane was asked. */
    caps,
    seen,
    breaking,
    health: (endpointId = 'one') => health.get(endpointId) ?? fineHealth,
    endpoint: (endpointId = 'one') => endpoints.get(endpointId),
    /** What an operator does to the endpoint. Also makes it be looked up anew. */
    change: (wanted: EndpointChange, endpointId = 'one') => {
      const kind = change(wanted, endpointId)
      directory.forget(endpointId)
      return kind
    },
    forgetEndpoint: () => {
      endpoints.clear()
      directory.forget('one')
    },
  }
}
