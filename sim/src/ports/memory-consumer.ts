import type { PartitionConsumerOptions } from '@signalbox/kafka/consumer'
import type { Ask } from '../scheduler.ts'
import type { MemoryBroker } from './memory-broker.ts'

type Assignee = { assigned(partitions: readonly number[], generation: number): void }

/** The coordinator of a consumer group of one topic. */
export function createMemoryGroup({ topic, partitions }: { topic: string; partitions: number }) {
  const members: Assignee[] = []
  const committed = new Map<number, bigint>()
  let generation = 0
  /** Where dealing begins, so that a rebalance really moves partitions. */
  let turn = 0

  function deal(): void {
    generation += 1
    const all = [...members]
    for (const [place, member] of all.entries()) {
      const its = Array.from({ length: partitions }, (_, partition) => partition).filter(
        (partition) => (partition + turn) % all.length === place,
      )
      member.assigned(its, generation)
    }
  }

  return {
    topic,
    committed: (partition: number) => committed.get(partition) ?? null,
    join(member: Assignee): void {
      members.push(member)
      deal()
    },
    /** Left, or silent for longer than its session. */
    remove(member: Assignee): void {
      const place = members.indexOf(member)
      if (place === -1) return
      members.splice(place, 1)
      deal()
    },
    rebalance(): void {
      turn += 1
      deal()
    },
    /** The retention of offsets, or a person, has taken them. */
    forgetOffsets: () => committed.clear(),
    has: (member: Assignee) => members.includes(member),
    isMember: (member: Assignee, its: number) => members.includes(member) && its === generation,
    /** @throws when the member is none of this generation */
    commit(at: { member: Assignee; generation: number; partition: number; offset: bigint }): void {
      if (!members.includes(at.member) || at.generation !== generation) {
        throw new Error('the member is not of this generation')
      }
      committed.set(at.partition, at.offset)
    },
  }
}

export type MemoryGroup = ReturnType<typeof createMemoryGroup>

/** One assignment of one partition. */
type Slot = {
  partition: number
  generation: number
  next: bigint
  isAttached: boolean
  isTickDue: boolean
  failures: number
  wake: () => void
}

export type MemoryConsumer = {
  /** There is something that a tick may find. */
  tickSoon(): void
  /** Attaches all partitions again. */
  reattach(): void
  /** The group takes it for dead. */
  expire(): void
  /** Leaves the group and ends. */
  leave(): void
  /** Joins again when the group has taken it for dead. */
  heartbeat(): void
}

/**
 * Reads the partitions of a topic that a group in memory assigns to it. As with the real one, work on one partition
 * never overlaps inside a process, and an assignment that is void ends at the next border.
 */
export function openMemoryConsumer(options: {
  broker: MemoryBroker
  group: MemoryGroup
  ask: Ask
  /** Calls back after a time. */
  after: (ms: number, action: () => void) => void
  attach: PartitionConsumerOptions['attach']
  process: PartitionConsumerOptions['process']
  /**
   * Runs between the chunks, `everyMs` after there was something new in `watches` or it was asked for, and again when
   * it has failed: at all times, and a run would never come to rest.
   */
  tick?: NonNullable<PartitionConsumerOptions['tick']> & { watches?: string }
  chunkSize: () => number
  /** A partition must not be read. */
  stopped: (problem: string) => void
}): MemoryConsumer {
  const { broker, group, ask, after, tick } = options
  const { topic } = group
  const slots = new Map<number, Slot>()
  const work = new Map<number, Promise<void>>()
  const isCurrent = (slot: Slot) => slots.get(slot.partition) === slot
  let learned = 0

  const self: Assignee = { assigned: (partitions, generation) => void learn(partitions, generation) }

  /** Word of an assignment takes its way to the process; one that stands still goes on with what it had. */
  async function learn(partitions: readonly number[], generation: number): Promise<void> {
    await ask({ system: 'kafka', what: 'learn the assignment', sure: true }, () => undefined)
    if (generation <= learned) return
    learned = generation
    for (const slot of slots.values()) slot.wake()
    slots.clear()
    for (const partition of partitions) open(partition, generation)
  }

  function open(partition: number, generation: number): void {
    const slot: Slot = {
      partition,
      generation,
      next: 0n,
      isAttached: false,
      isTickDue: tick !== undefined,
      failures: 0,
      wake: () => undefined,
    }
    slots.set(partition, slot)
    const before = work.get(partition) ?? Promise.resolve()
    work.set(
      partition,
      before.then(() => own(slot)),
    )
  }

  async function own(slot: Slot): Promise<void> {
    const ends = [
      broker.onAppend({ topic, partition: slot.partition }, () => slot.wake()),
      ...(tick?.watches === undefined
        ? []
        : [broker.onAppend({ topic: tick.watches, partition: slot.partition }, () => armTick(slot))]),
    ]
    while (isCurrent(slot)) {
      try {
        await goOn(slot)
      } catch {
        slot.failures += 1
        await pause(slot)
      }
    }
    for (const end of ends) end()
  }

  /** One thing at a time: attach, tick, or the next chunk. */
  async function goOn(slot: Slot): Promise<void> {
    if (!slot.isAttached) return attach(slot)
    if (tick !== undefined && slot.isTickDue) {
      slot.isTickDue = false
      // What goes wrong counts as nothing; the next tick comes.
      await tick.run(slot.partition).catch(() => armTick(slot))
      return
    }
    if (broker.bounds({ topic, partition: slot.partition }).end <= slot.next) return sleep(slot)
    await readChunk(slot)
  }

  async function attach(slot: Slot): Promise<void> {
    const { partition } = slot
    const committed = await ask({ system: 'kafka', what: 'read the committed offset' }, () =>
      group.committed(partition),
    )
    const { start, end } = await ask({ system: 'kafka', what: 'read the bounds' }, () =>
      broker.bounds({ topic, partition }),
    )
    if (!isCurrent(slot)) return
    const attached = await options.attach({ partition, committed, logStart: start, logEnd: end })
    if (!isCurrent(slot)) return
    if (attached.kind !== 'from') {
      slots.delete(partition)
      return options.stopped(attached.problem)
    }
    slot.next = attached.offset
    slot.isAttached = true
    slot.failures = 0
    if (committed === null || attached.offset > committed) void commit(slot).catch(() => undefined)
  }

  async function readChunk(slot: Slot): Promise<void> {
    const { partition } = slot
    const limit = options.chunkSize()
    const records = await ask({ system: 'kafka', what: 'fetch' }, () =>
      broker.read({ topic, partition, from: slot.next, limit }),
    )
    if (!isCurrent(slot) || !slot.isAttached) return
    if (records[0]?.offset !== slot.next) return void (slot.isAttached = false)
    const outcome = await options.process({ partition, records: [...records] })
    if (!isCurrent(slot) || !slot.isAttached) return
    switch (outcome.kind) {
      case 'done':
        slot.next += BigInt(records.length)
        await commit(slot)
        slot.failures = 0
        return
      case 'reattach':
        slot.isAttached = false
        return
      case 'away':
        throw new Error(outcome.what)
    }
  }

  /** One whose generation is over joins again, as after a heartbeat that was refused. */
  async function commit(slot: Slot): Promise<void> {
    const { partition, generation, next: offset } = slot
    await ask({ system: 'kafka', what: `commit of ${topic}`, writes: true }, () => {
      if (group.isMember(self, generation)) group.commit({ member: self, generation, partition, offset })
      else beat()
    })
  }

  function beat(): void {
    if (!group.has(self)) group.join(self)
  }

  function armTick(slot: Slot): void {
    after(tick?.everyMs ?? 0, () => {
      slot.isTickDue = true
      slot.wake()
    })
  }

  function sleep(slot: Slot): Promise<void> {
    return new Promise((resolve) => {
      slot.wake = resolve
    })
  }

  function pause(slot: Slot): Promise<void> {
    return new Promise((resolve) => after(200 * 2 ** Math.min(slot.failures, 5), resolve))
  }

  group.join(self)
  return {
    tickSoon() {
      for (const slot of slots.values()) armTick(slot)
    },
    reattach() {
      for (const { partition, generation, wake } of slots.values()) {
        wake()
        open(partition, generation)
      }
    },
    expire: () => group.remove(self),
    leave() {
      group.remove(self)
      for (const slot of slots.values()) slot.wake()
      slots.clear()
    },
    heartbeat: () => void ask({ system: 'kafka', what: 'heartbeat', sure: true }, beat),
  }
}
