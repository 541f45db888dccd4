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
