import type { AlertReceipt } from '@signalbox/contracts/alert'
import type { Producer } from '@signalbox/kafka/producer'

const deadlineMs = 5_000

/** Writes receipts to Kafka; rejects when the broker has not confirmed one in time. */
export function createKafkaReceipts({
  producer,
  topic,
}: {
  producer: Pick<Producer, 'publish'>
  topic: string
}) {
  return {
    async write(receipt: AlertReceipt): Promise<void> {
      // With the change's partition, so that its marker stands where its obligation does.
      const { alertId: key, partition } = receipt
      await producer.publish([{ topic, partition, key, value: JSON.stringify(receipt) }], { deadlineMs })
    },
  }
}
