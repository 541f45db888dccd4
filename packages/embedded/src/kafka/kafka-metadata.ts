import { setTimeout as delay } from 'node:timers/promises'
import { exchange } from '../process/tcp-exchange.ts'

const answerDeadlineMs = 2000
const agreeDeadlineMs = 60_000
const pollMs = 40
const metadataApi = 3
const metadataVersion = 2
const nullLength = -1

export interface Address {
  host: string
  port: number
}

/** What one broker says about its cluster. */
export interface ClusterView {
  clusterId: string | null
  /** The brokers that are up in its eyes, in rising order. */
  brokerIds: number[]
}

/** Asks a broker for its view of the cluster, over PLAINTEXT. Throws when it does not answer within 2 s. */
export async function readClusterView({ host, port }: Address): Promise<ClusterView> {
  const answer = await exchange({
    host,
    port,
    request: metadataRequest(),
    isComplete: (bytes) => bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0),
    deadlineMs: answerDeadlineMs,
  })
  return decodeMetadata(answer)
}

/** Waits until every broker answers and sees all; each hears of the others a moment after they registered. */
export async function untilAllAgree(brokers: Address[]): Promise<void> {
  const deadline = performance.now() + agreeDeadlineMs
  for (const broker of brokers) {
    for (let last = 'nothing'; last !== 'whole'; ) {
      if (performance.now() > deadline) {
        throw new Error(
          `The Kafka brokers do not form one cluster; ${broker.host}:${broker.port} said: ${last}`,
        )
      }
      last = await readClusterView(broker).then(
        ({ brokerIds }) => (brokerIds.length >= brokers.length ? 'whole' : `brokers ${brokerIds.join()}`),
        String,
      )
      if (last !== 'whole') await delay(pollMs)
    }
  }
}

/** A metadata request, version 2, that asks for no topic. */
function metadataRequest(): Buffer {
  const body = Buffer.alloc(14)
  body.writeInt16BE(metadataApi, 0)
  body.writeInt16BE(metadataVersion, 2)
  body.writeInt32BE(0, 4) // correlation id
  body.writeInt16BE(nullLength, 8) // client id
  body.writeInt32BE(0, 10) // topics: none
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

/** The answer's head: brokers and cluster id. What follows, controller and topics, is not read. */
export function decodeMetadata(answer: Buffer): ClusterView {
  let at = 8 // after size and correlation id
  const int32 = () => {
    at += 4
    return answer.readInt32BE(at - 4)
  }
  const text = () => {
    const length = answer.readInt16BE(at)
    at += 2
    if (length === nullLength) return null
    at += length
    return answer.toString('utf8', at - length, at)
  }
  const brokerIds = Array.from({ length: int32() }, () => {
    const id = int32()
    text() // host
    int32() // port
    text() // rack
    return id
  })
  return { clusterId: text(), brokerIds: brokerIds.toSorted((a, b) => a - b) }
}
