import { listQuarantine, type Summary } from '@signalbox/quarantine/quarantine'
import { positionText } from '@signalbox/quarantine/quarantined-record'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { countsText } from './counts-text.ts'
import { kafkaHelp, openQuarantine } from './open-quarantine.ts'
import { selectionOptions } from './options.ts'

const options = z.object({
  ...selectionOptions,
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(50)
    .meta({ value: 'N', description: 'show so many, 1000 at most' }),
})

export const createQuarantineListVerb = (env: Environment) =>
  createVerb({
    name: 'quarantine list',
    about: 'Lists what was set aside, the newest first, and why.',
    more: `${kafkaHelp}\nExit code 0, also when nothing is there.`,
    options,
    async run({ reason, client, requestId, from, to, limit }) {
      await using quarantine = await openQuarantine(env, 'quarantine list')
      const selection = {
        reason,
        clientId: client,
        registrationRequestId: requestId,
        fromMs: from,
        toMs: to,
        maySee: () => true,
      }
      const { records, byReason, complete } = await listQuarantine(quarantine, {
        selection,
        cursor: null,
        limit,
      })
      for (const line of tableOf(records)) printLine(line)
      const total = Object.values(byReason).reduce((sum, count) => sum + count, 0)
      printLine(total === 0 ? 'Nothing is set aside.' : `${total} set aside: ${countsText(byReason)}.`)
      if (records.length < total) {
        printLine(`Shown are the newest ${records.length}: give --limit, --reason, --client, --from or --to.`)
      }
      if (!complete) printLine('Older ones were not looked at: there are too many. Give --from and --to.')
      return 0
    },
  })

const head = ['POSITION', 'SET ASIDE', 'REASON', 'CLIENT', 'NOTIFICATION', 'WHERE']

/** Every column as wide as its widest text. */
function tableOf(records: readonly Summary[]): string[] {
  if (records.length === 0) return []
  const rows = [head, ...records.map(rowOf)]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function rowOf(record: Summary): string[] {
  return [
    positionText(record),
    new Date(record.setAsideMs).toISOString(),
    record.reason,
    record.clientId ?? '-',
    record.notificationId ?? '-',
    record.where,
  ]
}
