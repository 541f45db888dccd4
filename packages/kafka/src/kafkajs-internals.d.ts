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

declare module 'kafkajs/src/protocol/requests/produce/v7/request.js' {
  export default function createRequest(options: { acks: number; timeout: number; topicData: unknown }): {
    encode: () => Promise<{ buffer: Buffer }>
  }
}

declare module 'kafkajs/src/protocol/requests/produce/v7/response.js' {
  type Answer = {
    topics: readonly {
      topicName: string
      partitions: readonly { partition: number; errorCode: number; baseOffset: string }[]
    }[]
    clientSideThrottleTime: number
  }

  const response: {
    decode: (bytes: Buffer) => Promise<Answer>
    /** @throws the error of the first partition that has one */
    parse: (answer: Answer) => Promise<Answer>
  }
  export default response
}

declare module 'kafkajs/src/protocol/request.js' {
  export default function createRequest(options: {
    correlationId: number
    clientId: string
    request: object
  }): Promise<{ buffer: Buffer }>
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
  import type { Socket } from 'node:net'
  import type { KafkaConfig } from 'kafkajs'

  type Partitions<Asked> = readonly {
    topic: string
    partitions: readonly ({ partition: number } & Asked)[]
  }[]

  type Connection = {
    clientId: string
    socket: Socket
    requestQueue: {
      /** Calls `sendRequest` at once or when it may, and one of the entry's functions in the request's time. */
      push: (request: {
        entry: {
          apiKey: number
          apiName: string
          apiVersion: number
          correlationId: number
          resolve: (answer: { payload: Buffer }) => void
          reject: (error: Error) => void
        }
        expectResponse: boolean
        sendRequest: () => void
      }) => void
      maybeThrottle: (ms: number) => void
    }
    isConnected(): boolean
    isAuthenticated(): boolean
    authenticate(): Promise<void>
    nextCorrelationId(): number
  }

  export type Broker = {
    connectionPool: { getConnection: () => Promise<Connection> }
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
    targetTopics: ReadonlySet<string>
    isConnected(): boolean
    connect(): Promise<void>
    refreshMetadata(): Promise<void>
    refreshMetadataIfNecessary(): Promise<void>
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>
    addTargetTopic(topic: string): Promise<void>
    /** By node id. */
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
    findBroker(of: { nodeId: string }): Promise<Broker>
  }
}
