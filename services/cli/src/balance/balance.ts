import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { topics } from '@signalbox/contracts/topics'
import { openPartitionReader } from '@signalbox/kafka/partition-reader'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { unreadableFile } from '@signalbox/runtime/files'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { silent } from '../silent.ts'
import { openProgress } from '../verify/progress.ts'
import { openView, partitionOption, partitionsOf, viewConfig } from '../view/open-view.ts'
import { auditPartition, type PartitionBalance } from './audit-partition.ts'

const options = z.object({
  partition: partitionOption,
  acknowledged: z.string().min(1).optional().meta({
    value: 'FILE',
    description: 'log of an ingress (JSON lines): what it answered with S must be in the raw topic',
  }),
})

/** Enough to see a pattern. */
const maxShown = 20

export const createBalanceVerb = (env: Environment) =>
  createVerb({
    name: 'balance',
    about:
      'Reads the topics, folds them again and compares: nothing lost, nothing doubled, Redis shows what the log says.',
    more: [
      'Reads the Kafka that KAFKA_BROKERS, KAFKA_TLS and the variables KAFKA_SASL_… name, and the view at REDIS_URL under',
      'REDIS_KEY_PREFIX. Changes nothing. Registrations that change while it reads are counted, not compared. What Redis',
      'alone holds, of a merchant that no topic knows, is not looked for.',
      'Exit code 0 when nothing differs, 1 otherwise.',
    ].join('\n'),
    options,
    async run({ partition, acknowledged }) {
      if (partition !== undefined && acknowledged !== undefined) {
        throw new StartProblem('--acknowledged names notifications of all partitions: leave --partition out.')
      }
      const config = viewConfig('signalbox balance', env)
      const claims = acknowledged === undefined ? null : await readAcknowledged(acknowledged)
      const missing = new Set(claims)
      await using store = await openView(config)
      await using reader = await openPartitionReader(config.kafka, {
        clientId: 'signalbox-balance',
        log: silent,
      })
      const balances: PartitionBalance[] = []
      for (const number of partitionsOf(partition, config.kafka)) {
        using progress = openProgress(`partition ${number}`)
        balances.push(
          await auditPartition({
            partition: number,
            reader,
            store,
            found: (notificationId) => missing.delete(notificationId),
            progress: progress.update,
          }),
        )
      }
      using output = openProgress('balance')
      for (const line of [
        ...tableOf(balances),
        ...problemLines(balances),
        ...claimLines(claims, [...missing]),
      ]) {
        output.print(line)
      }
      const isBalanced = missing.size === 0 && balances.every(({ problems }) => problems.length === 0)
      output.print(isBalanced ? 'Balanced: no difference.' : 'Not balanced.')
      return isBalanced ? 0 : 1
    },
  })

const columns = ['applied', 'flagged', 'repeated', 'stale', 'quarantined'] as const

function tableOf(balances: readonly PartitionBalance[]): string[] {
  const rows = balances.map(({ partition, rawRecords, waiting, counts, registrations, moved, problems }) => [
    String(partition),
    String(rawRecords),
    ...columns.map((column) => String(counts[column] ?? 0)),
    String(waiting),
    String(registrations),
    String(moved),
    String(problems.length),
  ])
  const heads = ['partition', 'in raw', ...columns, 'waiting', 'registrations', 'moved', 'differences']
  const widths = heads.map((head, index) =>
    Math.max(head.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  return [heads, ...rows].map((row) => row.map((cell, index) => cell.padStart(widths[index] ?? 0)).join('  '))
}

function problemLines(balances: readonly PartitionBalance[]): string[] {
  const all = balances.flatMap(({ partition, problems }) =>
    problems.map((problem) => `partition ${partition}: ${problem}`),
  )
  const hidden = all.length - maxShown
  const partial = balances.filter(({ isWhole }) => !isWhole).map(({ partition }) => partition)
  return [
    ...all.slice(0, maxShown),
    ...(hidden > 0 ? [`… and ${hidden} more`] : []),
    ...(partial.length > 0
      ? [
          `The log of partition ${partial.join(', ')} no longer begins at 0, so Redis was compared with ${topics.state.name} alone there.`,
        ]
      : []),
  ]
}

function claimLines(claims: readonly string[] | null, missing: readonly string[]): string[] {
  if (claims === null) return []
  return [
    `${claims.length} acknowledged, ${missing.length} of them not in ${topics.raw.name}.`,
    ...missing.slice(0, maxShown).map((id) => `acknowledged and not there: ${id}`),
  ]
}

const acknowledgedLine = z.object({ notificationId: z.string(), resultCode: z.literal('SUCCESS') })

/** @throws StartProblem when the file cannot be read */
async function readAcknowledged(file: string): Promise<string[]> {
  const ids: string[] = []
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const parsed = acknowledgedLine.safeParse(parseJson(line))
      if (parsed.success) ids.push(parsed.data.notificationId)
    }
  } catch (cause) {
    throw new StartProblem(unreadableFile({ path: file, named: '--acknowledged', problem: codeOf(cause) }))
  }
  return ids
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
