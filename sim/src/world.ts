import { createAlertsOfChanges } from '@signalbox/alerts/alerts-of-changes'
import { createFanOut } from '@signalbox/alerts/fan-out'
import type { OwedAlert } from '@signalbox/alerts/owed-alert'
import { createReceiptsSeen, type ReceiptsSeen } from '@signalbox/alerts/receipts-seen'
import { createReceiptsTail } from '@signalbox/alerts/receipts-tail'
import { createSweep } from '@signalbox/alerts/sweeper'
import { merchantKey, unattributedKey } from '@signalbox/contracts/keys'
import { encodeCommandHeaders } from '@signalbox/contracts/command-record'
import type { EndpointRecord } from '@signalbox/contracts/endpoint-record'
import { encodeInquiryHeaders } from '@signalbox/contracts/inquiry-record'
import { encodeRawHeaders } from '@signalbox/contracts/raw-record'
import { topics } from '@signalbox/contracts/topics'
import { partitionOf } from '@signalbox/kafka/partition'
import { createPartitionWorker } from '@signalbox/processor/partition-worker'
import { type Plan, type PlannedRecord, startMs } from './plan.ts'
import { createMemoryAlerts, createQueueRedis, needsSweep } from './ports/memory-alerts.ts'
import { createMemoryBroker } from './ports/memory-broker.ts'
import {
  createMemoryGroup,
  type MemoryConsumer,
  type MemoryGroup,
  openMemoryConsumer,
} from './ports/memory-consumer.ts'
import { startMemoryDelivery } from './ports/memory-delivery.ts'
import { createMemoryProducer } from './ports/memory-producer.ts'
import { createMemoryReader } from './ports/memory-reader.ts'
import { createMemoryStore, createStateRedis } from './ports/memory-store.ts'
import { createRandom } from './random.ts'
import { type Ask, type Call, createScheduler, type Process } from './scheduler.ts'
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts'

const clusterId = 'cluster'
const sessionMs = 10_000
const sweepEveryMs = 10 * 60_000
const sweepOlderThanMs = 60_000
/** As far back as alerts are sent. */
const horizonMs = 72 * 60 * 60_000

/** The ids of the endpoints that hear of a merchant. */
export function endpointsOf({ referenceMerchantId }: { referenceMerchantId: string }): readonly string[] {
  if (referenceMerchantId === 'M') return ['e1', 'e2']
  return referenceMerchantId === 'N' ? ['e1'] : []
}

const longAgo = new Date(0).toISOString()

function endpointOf(
  endpointId: string,
  of: { clientId: string; referenceMerchantId: string },
): EndpointRecord {
  return {
    endpointId,
    clientId: of.clientId,
    merchant: of.referenceMerchantId,
    revision: 1,
    audience: 'merchant',
    target: { type: 'webhook', url: 'https://merchant.example/', headers: {} },
    filters: { eventTypes: null, pspNames: null, productCodes: null },
    limits: { ratePerSecond: null, concurrency: null },
    skipsSuperseded: false,
    keepsResponses: false,
    state: 'active',
    reason: null,
    activeFrom: longAgo,
    secrets: [],
    createdAt: longAgo,
    changedAt: longAgo,
    history: [],
  }
}

/** A place where a process runs; a supervisor starts it again when it ends. */
type Host = { name: string; lives: number; start: (ask: Ask, process: Process) => MemoryConsumer }

type Life = { host: Host; process: Process; consumer: MemoryConsumer }

/** What reaches the raw topic. */
export type Arrival = PlannedRecord extends infer One
  ? One extends unknown
    ? Omit<One, 'afterMs'>
    : never
  : never

/** The key that a raw record stands under. */
export function rawKeyOf({ clientId, merchant }: Pick<Arrival, 'clientId' | 'merchant'>): string {
  return merchant === null
    ? unattributedKey({ clientId, registrationRequestId: 'R1' })
    : merchantKey({ clientId, referenceMerchantId: merchant })
}

function rawHeadersOf(record: Arrival, of: { notificationId: string; requestTimeMs: number }) {
  const { clientId } = record
  const dialect = clientId === 'other' ? 'ams' : 'alipayplus'
  const named = { ...of, clientId, requestTime: new Date(of.requestTimeMs).toISOString(), traceparent: null }
  const signed = { ...named, dialect, requestUri: '/uri', signature: 'signature', keyVersion: '1' } as const
  switch (record.kind) {
    case 'notification': {
      const { attributedTo } = record
      const redriven = attributedTo === undefined ? {} : { attributedTo, replayedFrom: 'quarantine/0/0' }
      return encodeRawHeaders({ ...signed, kind: record.kind, push: false, ...redriven })
    }
    case 'inquiry':
      return encodeInquiryHeaders({
        ...signed,
        kind: record.kind,
        askedMerchantId: record.merchant,
        askedStoreId: record.store,
        askedRequestId: record.round,
      })
    default:
      return encodeCommandHeaders({ ...named, kind: record.kind, issuedBy: 'somebody' })
  }
}

/** The whole of Signalbox behind the ingress, in memory: production code between ports of ours. */
export function createWorld(plan: Plan, tell: ((line: string) => void) | undefined) {
  const { partitions } = plan
  const random = createRandom(~plan.seed)
  const clock = createVirtualClock(startMs)
  const scheduler = createScheduler({ random, clock })
  const broker = createMemoryBroker({
    nowMs: clock.nowMs,
    partitions,
    topics: Object.values(topics).map(({ name }) => name),
  })
  const stateRedis = createStateRedis()
  const queueRedis = createQueueRedis()
  /** How often each alert was sent. */
  const sent = new Map<string, number>()
  let lastLossMs = Number.POSITIVE_INFINITY
  const queueConnection = { age: 0, lost: new Set<() => void>() }
  const groups = {
    processors: createMemoryGroup({ topic: topics.raw.name, partitions }),
    fanOuts: createMemoryGroup({ topic: topics.changes.name, partitions }),
    tails: createMemoryGroup({ topic: topics.receipts.name, partitions }),
  }
  /** What became visible of the faults, and what the system did about them. */
  const counts = new Map<string, number>()
  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1)
  /** Partitions whose view was made anew from a state topic that held something. */
  const remade = new Set<number>()
  const lives = new Map<string, Life>()
  let problem: string | null = null
  const outages: { concerns: (call: Call) => boolean; endsMs: number }[] = []
  let markers = 0

  function note(line: string): void {
    tell?.(`${new Date(clock.nowMs()).toISOString()} ${line}`)
  }

  function fail(why: string): void {
    note(`broken: ${why}`)
    problem ??= why
  }

  function startProcessor(ask: Ask, process: Process): MemoryConsumer {
    const worker = createPartitionWorker(
      {
        store: createMemoryStore({
          redis: stateRedis,
          ask,
          mostPerLoad: plan.mostPerLoad,
          restored: (partition) => void remade.add(partition),
        }),
        producer: createMemoryProducer({ broker, ask }),
        reader: createMemoryReader({ broker, ask, recordsPerFetch: plan.chunkSize }),
        auditReader: createMemoryReader({ broker, ask, recordsPerFetch: plan.chunkSize }),
        report: {
          attached: ({ decision }) => count('because' in decision ? decision.because : decision.kind),
          rebuilding: () => undefined,
          rebuilt: () => count('rebuilt'),
          settled: () => undefined,
          redelivered: () => undefined,
          audited: ({ published }) => published > 0 && count('repaired by the auditor'),
          unreadable: ({ records }) => fail(`${records} state records cannot be read`),
        },
        newMarker: () => `marker-${(markers += 1)}`,
        nowMs: clock.nowMs,
      },
      { clusterId, topics, outputBytes: plan.outputBytes },
    )
    const consumer = openMemoryConsumer({
      broker,
      group: groups.processors,
      ask,
      after: whileAlive(process),
      attach: worker.attach,
      process: (chunk) => unlessBroken(worker.process(chunk)),
      tick: {
        everyMs: 5_000,
        watches: topics.state.name,
        async run(partition) {
          const audited = await unlessBroken(worker.audit(partition))
          if (audited.kind === 'reattach') consumer.reattach()
        },
      },
      chunkSize: () => 1 + random.below(plan.chunkSize),
      stopped: (why) => fail(`a processor stops: ${why}`),
    })
    return consumer
  }

  /** Kafka or Redis being away passes; anything else would end the process for good. */
  async function unlessBroken<T extends { kind: string }>(working: Promise<T>): Promise<T> {
    try {
      const outcome = await working
      if (outcome.kind === 'reattach') count('processor fenced')
      return outcome
    } catch (error) {
      if (!(error instanceof Error && error.name === 'Error')) fail(`a processor breaks: ${String(error)}`)
      throw error
    }
  }

  /** All that works on alerts in one process. */
  function startAlerts(ask: Ask, process: Process): MemoryConsumer {
    const after = whileAlive(process)
    const { book, queue } = createMemoryAlerts({ redis: queueRedis, ask })
    const reader = createMemoryReader({ broker, ask, recordsPerFetch: plan.chunkSize })
    const receiptsLog = { clusterId, topic: topics.receipts.name }
    const receiptsSeen = createReceiptsSeen(
      { book, reader, now, pause: (ms) => new Promise((resolve) => after(ms, resolve)), pollMs: 1_000 },
      receiptsLog,
    )
    queueConnection.lost.add(() => receiptsSeen.doubtAll())
    startSweeper({ book, queue }, after)
    startDelivery({ ask, after, receiptsSeen })

    const tail = createReceiptsTail({ book, reader, now }, receiptsLog)
    const fanOut = createFanOut(
      {
        book,
        queue,
        reader,
        receiptsSeen,
        now,
        alertsOf: createAlertsOfChanges({
          endpoints: {
            ofMerchants: async (merchants) =>
              new Map(
                merchants.map((of) => [merchantKey(of), endpointsOf(of).map((id) => endpointOf(id, of))]),
              ),
          },
          report: {
            looked: () => undefined,
            unreadable: ({ problem: why }) => fail(`a change cannot be read: ${why}`),
          },
        }),
        endpoints: { caughtUpAll: async () => undefined },
        skipped: ({ records }) => fail(`the fan-out skips ${records} changes`),
      },
      { clusterId, topic: topics.changes.name },
    )
    const open = (group: MemoryGroup, what: string, work: typeof fanOut | typeof tail) => {
      const consumer = openMemoryConsumer({
        broker,
        group,
        ask,
        after,
        attach: work.attach,
        async process(chunk) {
          const outcome = await work.process(chunk)
          if (outcome.kind === 'reattach') count(`${what} fenced`)
          return outcome
        },
        tick: {
          everyMs: 1_000,
          async run(partition) {
            if (await work.isOvertaken(partition)) consumer.reattach()
          },
        },
        chunkSize: () => 1 + random.below(plan.chunkSize),
        stopped: (why) => fail(`a ${what} stops: ${why}`),
      })
      return consumer
    }
    return together([open(groups.tails, 'tail', tail), open(groups.fanOuts, 'fan-out', fanOut)])
  }

  function startDelivery({
    ask,
    after,
    receiptsSeen,
  }: {
    ask: Ask
    after: VirtualClock['after']
    receiptsSeen: ReceiptsSeen
  }): void {
    /** What Redis loses, it loses with its connections, and what was on its way over them fails. */
    const askOverConnection: Ask = (call, effect) => {
      const { age } = queueConnection
      return ask(call, () => {
        if (call.system === 'queue redis' && age !== queueConnection.age)
          throw new Error('the connection is lost')
        return effect()
      })
    }
    startMemoryDelivery({
      redis: queueRedis,
      ask: askOverConnection,
      book: createMemoryAlerts({ redis: queueRedis, ask: askOverConnection }).book,
      producer: createMemoryProducer({ broker, ask }),
      receiptsTopic: topics.receipts.name,
      receiptsSeen,
      nowMs: clock.nowMs,
      after,
      begins: (alert, runsBefore) => ({ isReceived: isReceived(alert, runsBefore) }),
      calls(id, { isReceived }) {
        sent.set(id, (sent.get(id) ?? 0) + 1)
        if (isReceived) fail(`${id} is sent again although its receipt is in the log`)
      },
    })
  }

  function receipts() {
    const topic = topics.receipts.name
    return Array.from({ length: partitions }, (_, partition) =>
      broker.everAppended({ topic, partition }),
    ).flat()
  }

  /**
   * Whether an alert must not be sent because of its receipt. A call that is under way while Redis forgets everything
   * may get its receipt after the alert was fanned out again; then only a second run of the job knows.
   */
  function isReceived({ id }: OwedAlert, runsBefore: number): boolean {
    const untilMs = runsBefore > 0 ? clock.nowMs() : lastLossMs
    // What was forgotten a month ago and is heard of again begins with the same versions.
    const sinceMs = clock.nowMs() - horizonMs
    return receipts().some(
      ({ key, timestampMs }) => key === id && timestampMs >= sinceMs && timestampMs <= untilMs,
    )
  }

  /** Sweeps now and then, as long as there is something to repair: else the run would never come to rest. */
  function startSweeper(alerts: ReturnType<typeof createMemoryAlerts>, after: VirtualClock['after']): void {
    const sweep = createSweep(
      {
        ...alerts,
        now,
        report: { owed: () => undefined, swept: ({ added }) => added > 0 && count('repaired by the sweep') },
      },
      { partitions, olderThanMs: sweepOlderThanMs, maxPerSweep: 500 },
    )
    let isDue = false
    function arm(): void {
      if (isDue) return
      isDue = true
      after(sweepEveryMs, () => {
        isDue = false
        // What goes wrong counts as nothing; the next sweep comes.
        if (needsSweep(queueRedis.now())) sweep().then(arm, arm)
      })
    }
    queueRedis.onChange(arm)
    arm()
  }

  /** What a process set itself to do later ends with it. */
  function whileAlive(process: Process) {
    return (ms: number, action: () => void) =>
      clock.after(ms, () => {
        if (process.state !== 'dead') action()
      })
  }

  function startLife(host: Host): void {
    host.lives += 1
    const process: Process = { name: `${host.name}#${host.lives}`, state: 'running', skewMs: 0 }
    note(`${process.name} starts`)
    lives.set(host.name, { host, process, consumer: host.start(scheduler.askOf(process), process) })
  }

  function lifeOf(process: Process): Life | undefined {
    return [...lives.values()].find((life) => life.process === process)
  }

  const hosts: Host[] = [
    ...Array.from({ length: plan.processors }, (_, index) => ({
      name: `processor-${index}`,
      lives: 0,
      start: startProcessor,
    })),
    ...Array.from({ length: plan.fanOuts }, (_, index) => ({
      name: `fan-out-${index}`,
      lives: 0,
      start: startAlerts,
    })),
  ]
  for (const host of hosts) startLife(host)
  stateRedis.onChange((change) => {
    if (change === 'written') return
    for (const { host, consumer } of lives.values()) if (host.start === startProcessor) consumer.tickSoon()
  })
  queueRedis.onChange((change) => {
    if (change === 'written') return
    lastLossMs = clock.nowMs()
    for (const { host, consumer } of lives.values()) if (host.start === startAlerts) consumer.tickSoon()
  })

  let appended = 0
  /** What an ingress, or for answers and commands the console, does: the bytes, with what it knows of them. */
  function receive(record: Arrival): void {
    appended += 1
    const key = rawKeyOf(record)
    const requestTimeMs = clock.nowMs() - record.signedBeforeMs
    broker.append([
      {
        topic: topics.raw.name,
        partition: partitionOf(key, partitions),
        key,
        value: Buffer.from(record.body),
        headers: rawHeadersOf(record, { notificationId: `notification-${appended}`, requestTimeMs }),
      },
    ])
  }

  return {
    plan,
    clock,
    random,
    scheduler,
    broker,
    stateRedis,
    queueRedis,
    sent,
    /** The ids of the alerts that have a receipt. */
    receivedIds: () => new Set(receipts().map(({ key }) => String(key))),
    remade,
    groups,
    counts,
    count,
    note,
    isTraced: tell !== undefined,
    receive,
    outages,
    problem: () => problem,
    fail,
    lives: () => [...lives.values()],
    nowOfCurrentMs: () => clock.nowMs() + (scheduler.current()?.skewMs ?? 0),

    /** The process ends here and now; what it has asked for may still happen, or not. */
    crash(process: Process, { restartMs }: { restartMs: number }): void {
      const life = lifeOf(process)
      process.state = 'dead'
      for (const step of scheduler.takeOf(process)) {
        if (step.half === 'request' && random.chance(0.5)) step.go()
      }
      scheduler.takeOf(process)
      clock.after(sessionMs, () => life?.consumer.expire())
      clock.after(restartMs, () => life && startLife(life.host))
    },

    /** The process stands still, and goes on later as if nothing had been. */
    stall(process: Process, { forMs }: { forMs: number }): void {
      const life = lifeOf(process)
      process.state = 'stalled'
      clock.after(sessionMs, () => {
        if (process.state === 'stalled') life?.consumer.expire()
      })
      clock.after(forMs, () => {
        if (process.state !== 'stalled') return
        process.state = 'running'
        note(`${process.name} wakes`)
        life?.consumer.heartbeat()
      })
    },

    /** The queue Redis ends all connections, and processes notice before they use another one. */
    dropQueueConnections(): void {
      queueConnection.age += 1
      for (const lost of queueConnection.lost) lost()
    },

    /** Redis is back as another run than before, which its clients notice. */
    announceNewRun(of: 'processor' | 'fan-out'): void {
      for (const { host, process, consumer } of lives.values()) {
        if (!host.name.startsWith(of)) continue
        void scheduler
          .askOf(process)({ system: 'kafka', what: 'notice the new run', sure: true }, () => undefined)
          .then(() => consumer.reattach())
      }
    },
  }
}

const now = () => Date.now()

/** Several consumers of one process as one. */
function together(consumers: readonly MemoryConsumer[]): MemoryConsumer {
  const all = (what: keyof MemoryConsumer) => () => {
    for (const consumer of consumers) consumer[what]()
  }
  return {
    tickSoon: all('tickSoon'),
    reattach: all('reattach'),
    expire: all('expire'),
    leave: all('leave'),
    heartbeat: all('heartbeat'),
  }
}

export type World = ReturnType<typeof createWorld>
