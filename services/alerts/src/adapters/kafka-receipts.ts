import type { AlertReceipt } from '@signalbox/contracts/alert'
import { partitionOf } from '@signalbox/kafka/partition'
import type { Producer } from '@signalbox/kafka/producer'

const deadlineMs = 5_000

/** Writes receipts to Kafka; rejects when the broker has not confirmed one in time. */
export function createKafkaReceipts({
  producer,
  topic,
  partitions,
}: {
  producer: Pick<Producer, 'publish'>
  topic: string
  partitions: number
}) {
  return {
    async write(receipt: AlertReceipt): Promise<void> {
      const key = receipt.alertId
      const record = { topic, partition: partitionOf(key, partitions), key, value: JSON.stringify(receipt) }
      await producer.publish([record], { deadlineMs })
    },
  }
}
