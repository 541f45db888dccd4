import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { LogRecord, Producer } from '@signalbox/kafka/producer'

const deadlineMs = 5_000
/** A broker takes ten receipts of a dozen partitions with the work of one each, so they come this far apart at least. */
const spacingMs = 10
/** When as many go together as a busy process has, they come farther apart. */
const many = 16
const busySpacingMs = 25

/**
 * Writes receipts to Kafka, those of some milliseconds together; after a while without one the next goes at once. Rejects
 * when the broker has not confirmed those of its partition in time.
 */
export function createKafkaReceipts({
  producer,
  topic,
}: {
  producer: Pick<Producer, 'publish'>
  topic: string
}) {
  let gathered = new Map<number, LogRecord[]>()
  let publishing: Promise<ReadonlyMap<number, Promise<unknown>>> | null = null
  let nextAtMs = Number.NEGATIVE_INFINITY

  /** Each partition by itself, so that one in trouble says nothing of the others; the producer sends them together. */
  async function publish() {
    const waitMs = nextAtMs - performance.now()
    await new Promise((resolve) => (waitMs > 0 ? setTimeout(resolve, waitMs) : setImmediate(resolve)))
    const taken = gathered
    gathered = new Map()
    publishing = null
    const count = [...taken.values()].reduce((sum, { length }) => sum + length, 0)
    nextAtMs = performance.now() + (count < many ? spacingMs : busySpacingMs)
    return new Map(
      [...taken].map(([partition, records]) => [partition, producer.publish(records, { deadlineMs })]),
    )
  }

  return {
    async write(receipt: AlertReceipt): Promise<void> {
      // With the change's partition, so that its marker stands where its obligation does.
      const { alertId: key, partition } = receipt
      const record = { topic, partition, key, value: JSON.stringify(receipt) }
      const ofPartition = gathered.get(partition)
      if (ofPartition === undefined) gathered.set(partition, [record])
      else ofPartition.push(record)
      publishing ??= publish()
      const published = await publishing
      await published.get(partition)
    },
  }
}
