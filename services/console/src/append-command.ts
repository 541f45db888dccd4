import { encodeCommandHeaders, type RegistrationCommand } from '@signalbox/contracts/command-record'
import { merchantKey } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'

export type Command = {
  clientId: string
  command: RegistrationCommand
  /** Name of the token, or of the part of the console, that gives it. */
  issuedBy: string
}

/** Appends commands and says under which notification ids. @throws when Kafka does not confirm them; they may be there then */
export type AppendCommands = (commands: readonly Command[]) => Promise<string[]>

const publishDeadlineMs = 5_000

/** Appends commands to the raw topic, each under its merchant's key, where all about that merchant meets. */
export const createAppendCommands = ({
  producer,
  topic,
  partitions,
  createId,
  now,
}: {
  producer: { publish(records: readonly LogRecord[], options: { deadlineMs: number }): Promise<unknown> }
  topic: string
  partitions: number
  /** A new UUIDv7. */
  createId: () => string
  now: () => number
}): AppendCommands =>
  async function appendCommands(commands) {
    const named = commands.map((given) => ({ ...given, notificationId: createId() }))
    const records = named.map(({ clientId, command, issuedBy, notificationId }) => {
      const key = merchantKey({ clientId, referenceMerchantId: command.referenceMerchantId })
      return {
        topic,
        partition: partitionOf(key, partitions),
        key,
        value: JSON.stringify(command),
        headers: encodeCommandHeaders({
          kind: 'command',
          notificationId,
          clientId,
          requestTime: new Date(now()).toISOString(),
          issuedBy,
          traceparent: null,
        }),
      }
    })
    await producer.publish(records, { deadlineMs: publishDeadlineMs })
    return named.map(({ notificationId }) => notificationId)
  }
