import type { RegistrationRef } from '@signalbox/contracts/keys'
import type { Producer } from '@signalbox/kafka/producer'
import { attentionOf } from '@signalbox/registration/attention'
import type { RegistrationStore } from '@signalbox/registration-store/registration-store'
import { packForBoth } from '@signalbox/registration-store/stored-registration'
import { forgottenRecord, type ProcessorTopics, stateRecord } from './output-records.ts'

/** A registration whose newest state record does not stand last in the log. */
export type Buried = {
  registration: RegistrationRef
  /** The raw offset as of which it is forgotten, should the view not have it. */
  forgottenRev: bigint | null
}

type Ports = {
  store: Pick<RegistrationStore, 'load'>
  producer: Pick<Producer, 'publish'>
}

const publishDeadlineMs = 5_000
const registrationsPerLoad = 200

/** Creates the step that publishes the state records of registrations again, as the view has them. */
export function createRepublish({ store, producer }: Ports, { topics }: { topics: ProcessorTopics }) {
  /** Publishes nothing more once the watermark is not the one expected. Gives the offsets of what it wrote. */
  return async function republish({
    partition,
    expected,
    buried,
  }: {
    partition: number
    expected: string | null
    buried: readonly Buried[]
  }): Promise<{ kind: 'published'; offsets: readonly bigint[] } | { kind: 'fenced' }> {
    const offsets: bigint[] = []
    let rest = buried
    while (rest.length > 0) {
      const some = rest.slice(0, registrationsPerLoad)
      const registrations = some.map(({ registration }) => registration)
      const loaded = await store.load({ partition, registrations })
      if (loaded.watermark !== expected) return { kind: 'fenced' }
      // Of large registrations fewer come than were asked for.
      const records = some
        .slice(0, loaded.registrations.length)
        .flatMap(({ registration, forgottenRev }, index) => {
          const stored = loaded.registrations[index] ?? null
          if (stored !== null) {
            const { kept } = packForBoth(stored)
            const attention = attentionOf(stored.registration)
            const state = { topics, partition, registration, stored, traceparent: null, kept, attention }
            return [stateRecord(state)]
          }
          if (forgottenRev === null) return []
          return [forgottenRecord({ topics, partition, registration, rev: String(forgottenRev) })]
        })
      offsets.push(...(await producer.publish(records, { deadlineMs: publishDeadlineMs })))
      rest = rest.slice(loaded.registrations.length)
    }
    return { kind: 'published', offsets }
  }
}
