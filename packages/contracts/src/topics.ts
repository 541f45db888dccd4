const dayMs = 24 * 60 * 60 * 1000

/** A record must hold a body of the ingress' default limit of 4 MiB and its headers, or a state grown from it. */
const maxMessageBytes = 8 * 1024 * 1024

/**
 * A raw record goes to quarantine whole, with a few hundred bytes of headers on top. With the same limit one that fills
 * the raw topic could never be set aside, and its partition would wait for ever. Changes and states need no such room:
 * the processor makes none above 0.9 of their limit.
 */
const quarantineMaxMessageBytes = maxMessageBytes + 1024 * 1024

/** How a topic is created; partitions and replication are the deployment's and the same for all. */
export type TopicContract = {
  name: string
  cleanup: 'delete' | 'compact'
  retentionMs?: number
  maxMessageBytes: number
  config: Readonly<Record<string, string>>
}

// Receipt time means append time: with the producer's time a wrong clock would get appends refused.
const everywhere = { 'message.timestamp.type': 'LogAppendTime' }

/** Every topic of Signalbox. All are co-partitioned by `client/merchant`; the count is fixed at creation. */
export const topics = {
  /** Private: the untouched notifications, the truth that everything else is made from. */
  raw: {
    name: 'registration.raw.v1',
    cleanup: 'delete',
    retentionMs: 14 * dayMs,
    maxMessageBytes,
    config: everywhere,
  },
  /** Public: one record per new version of a registration. */
  changes: {
    name: 'registration.changes.v1',
    cleanup: 'delete',
    retentionMs: 30 * dayMs,
    maxMessageBytes,
    config: everywhere,
  },
  /** Public: the full content per registration, for readers who start late and for the rebuild. */
  state: {
    name: 'registration.state.v1',
    cleanup: 'compact',
    maxMessageBytes,
    config: {
      ...everywhere,
      'min.compaction.lag.ms': String(dayMs),
      'delete.retention.ms': String(7 * dayMs),
    },
  },
  /** What was signed but does not fit, with its reason and origin. */
  quarantine: {
    name: 'registration.quarantine.v1',
    cleanup: 'delete',
    retentionMs: 30 * dayMs,
    maxMessageBytes: quarantineMaxMessageBytes,
    config: everywhere,
  },
  /** Private: where alerts go, the latest record per endpoint. Holds ciphertext of secrets. */
  endpoints: {
    name: 'alert.endpoints.v1',
    cleanup: 'compact',
    maxMessageBytes: 1024 * 1024,
    config: {
      ...everywhere,
      'min.compaction.lag.ms': String(dayMs),
      'delete.retention.ms': String(7 * dayMs),
    },
  },
  /** One record per settled alert. */
  receipts: {
    name: 'alert.receipts.v1',
    cleanup: 'delete',
    retentionMs: 30 * dayMs,
    maxMessageBytes,
    config: everywhere,
  },
} as const satisfies Record<string, TopicContract>
