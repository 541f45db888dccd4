import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { LogRecord, Producer } from '@signalbox/kafka/producer'

const deadlineMs = 5_000
/** A broker takes ten receipts of a dozen partitions with the work of one each, so they come this far apart at least. */
const spacingMs = 10

/**
 * Writes receipts to Kafka, those of some milliseconds together; after a while without one the next goes at once. Rejects
 * when the broker has not confirmed all of them in time.
 */
export function createKafkaReceipts({
  producer,
  topic,
}: {
  producer: Pick<Producer, 'publish'>
  topic: string
}) {
  let gathered: LogRecord[] = []
  let publishing: Promise<void> | null = null
  let lastAtMs = Number.NEGATIVE_INFINITY

  async function publish(): Promise<void> {
    const waitMs = lastAtMs + spacingMs - performance.now()
    await (waitMs > 0 ? pause(waitMs) : nextTurn())
    const records = gathered
    gathered = []
    publishing = null
    lastAtMs = performance.now()
    await producer.publish(records, { deadlineMs })
  }

  return {
    write(receipt: AlertReceipt): Promise<void> {
      // With the change's partition, so that its marker stands where its obligation does.
      const { alertId: key, partition } = receipt
      gathered.push({ topic, partition, key, value: JSON.stringify(receipt) })
      publishing ??= publish()
      return publishing
    },
  }
}
