// kafkajs has no types for its inner modules; only what is touched here is declared.
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    constructor(options: {
      maxInFlightRequests: number
      requestTimeout: number
      enforceRequestTimeout: boolean
      clientId: string
      broker: string
      logger: { debug: () => void }
    })
    pending: unknown[]
    throttledUntil: number
    throttleCheckTimeoutId: NodeJS.Timeout | null
    checkPendingRequests(): void
    scheduleCheckPendingRequests: (this: RequestQueue) => void
  }
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    buf: Buffer
    offset: number
    constructor(initialSize?: number)
    get buffer(): Buffer
    writeInt16(value: number): this
    writeInt32(value: number): this
    writeInt64(value: bigint | number): this
    writeString(value: string): this
    writeBytes(value: Buffer): this
    writeArray(items: readonly Encoder[]): this
  }
}

declare module 'kafkajs/src/protocol/requests/produce/index.js' {
  import type Encoder from 'kafkajs/src/protocol/encoder.js'

  type ProduceOptions = {
    acks: number
    timeout: number
    compression: number
    transactionalId?: string
    producerId: unknown
    producerEpoch: number
    topicData: {
      topic: string
      partitions: {
        partition: number
        messages: { key: string; value: Buffer | string | null; headers: Record<string, string | Buffer> }[]
      }[]
    }[]
  }
  type ProduceExchange = { request: { encode: () => Promise<Encoder> }; response: unknown }
  type CreateProduce = (options: ProduceOptions) => ProduceExchange

  const produce: { protocol: (choice: { version: number }) => CreateProduce }
  export default produce
}

declare module 'kafkajs/src/protocol/requests/produce/v7/request.js' {
  export default function createRequest(options: { acks: number; timeout: number; topicData: unknown }): {
    encode: () => Promise<{ buffer: Buffer }>
  }
}

declare module 'kafkajs/src/protocol/recordBatch/crc32C/index.js' {
  export default function crc32c(bytes: Buffer): number
}

declare module 'kafkajs/src/protocol/requests/fetch/index.js' {
  type FetchExchange = {
    request: unknown
    response: { decode: (bytes: Buffer) => Promise<object>; parse: (decoded: object) => Promise<object> }
  }
  type CreateFetch = (options: object) => FetchExchange

  const fetch: { protocol: (choice: { version: number }) => CreateFetch }
  export default fetch
}

declare module 'kafkajs/src/protocol/requests/fetch/v11/response.js' {
  import type { KafkaMessage } from 'kafkajs'

  type Partition = {
    partition: number
    errorCode: number
    highWatermark: string
    lastStableOffset: string
    lastStartOffset: string
    abortedTransactions: { producerId: string; firstOffset: string }[]
    preferredReadReplica: number
    messages: (KafkaMessage & {
      isControlRecord: boolean
      batchContext: { producerId: string; inTransaction: boolean; isControlBatch: boolean }
    })[]
  }

  const response: {
    decode: (bytes: Buffer) => Promise<{
      throttleTime: number
      clientSideThrottleTime: number
      errorCode: number
      sessionId: number
      responses: { topicName: string; partitions: Partition[] }[]
    }>
  }
  export default response
}

declare module 'kafkajs/src/protocol/recordBatch/v0/index.js' {
  import type Encoder from 'kafkajs/src/protocol/encoder.js'

  const batches: {
    RecordBatch: (batch: {
      compression: number
      firstOffset: bigint
      firstTimestamp: number
      maxTimestamp: number
      lastOffsetDelta: number
      transactional: boolean
      producerId: bigint
      records: readonly Encoder[]
    }) => Promise<Encoder>
  }
  export default batches
}

declare module 'kafkajs/src/protocol/recordBatch/record/v0/index.js' {
  import type Encoder from 'kafkajs/src/protocol/encoder.js'

  export default function encodeRecord(record: {
    offsetDelta: number
    timestampDelta: number
    key: Buffer | null
    value: Buffer | null
    headers: Record<string, Buffer | Buffer[]>
  }): Encoder
}

declare module 'kafkajs/src/protocol/message/compression/index.js' {
  type Codec = { decompress: (bytes: Buffer) => Promise<Buffer> }

  const compression: {
    /** null: not compressed. @throws when kafkajs lacks the codec */
    lookupCodecByAttributes: (attributes: number) => Codec | null
  }
  export default compression
}

declare module 'kafkajs/src/consumer/batch.js' {
  /** What of an answer the asker may see: nothing before the offset asked for, no control records, nothing aborted. */
  export default class Batch<
    Message extends {
      offset: string
      key: Buffer | null
      isControlRecord: boolean
      batchContext: { producerId: string; inTransaction: boolean }
    },
  > {
    constructor(
      topic: string,
      fetchedOffset: string,
      partition: {
        partition: number
        highWatermark: string
        abortedTransactions: readonly { producerId: string; firstOffset: string }[]
        messages: readonly Message[]
      },
    )
    messages: readonly Message[]
  }
}

declare module 'kafkajs/src/loggers/index.js' {
  import type { logCreator } from 'kafkajs'

  const loggers: { createLogger: (options: { level: number; logCreator: logCreator }) => object }
  export default loggers
}

declare module 'kafkajs/src/cluster/index.js' {
  import type { KafkaConfig } from 'kafkajs'

  type Partitions<Asked> = readonly {
    topic: string
    partitions: readonly ({ partition: number } & Asked)[]
  }[]

  type Broker = {
    fetch: (request: {
      isolationLevel: number
      maxWaitTime: number
      minBytes: number
      maxBytes: number
      topics: Partitions<{ fetchOffset: string; maxBytes: number }>
    }) => Promise<{ responses: readonly { topicName: string; partitions: readonly object[] }[] }>
    listOffsets: (request: {
      isolationLevel: number
      topics: Partitions<{ timestamp: string | number }>
    }) => Promise<{ responses: readonly { partitions: readonly { partition: number; offset: string }[] }[] }>
  }

  export default class Cluster {
    constructor(
      options: KafkaConfig & {
        logger: object
        metadataMaxAge: number
        allowAutoTopicCreation: boolean
        maxInFlightRequests: number | null
      },
    )
    connect(): Promise<void>
    refreshMetadata(): Promise<void>
    addTargetTopic(topic: string): Promise<void>
    /** By node id. */
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
    findBroker(of: { nodeId: string }): Promise<Broker>
  }
}
