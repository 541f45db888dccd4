import { writeFileSync } from 'node:fs'
import { readRouting } from '@signalbox/contracts/notification-body'
import { findQuarantined } from '@signalbox/quarantine/quarantine'
import { positionText, type Quarantined } from '@signalbox/quarantine/quarantined-record'
import { guideTo } from '@signalbox/quarantine/reasons'
import { obstacles, redriveRecord } from '@signalbox/quarantine/redrive-record'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { codeOf, StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { kafkaHelp, openQuarantine } from './open-quarantine.ts'
import { positionMeta, positionOption } from './options.ts'

/** Enough for a person; all of it goes into a file. */
const mostBytesShown = 64 * 1024

const options = z.object({
  position: positionOption.meta(positionMeta),
  hex: z
    .boolean()
    .default(false)
    .meta({ description: 'shows the bytes in hexadecimal, as those that are no text always are' }),
  out: z
    .string()
    .min(1)
    .optional()
    .meta({ value: 'FILE', description: 'writes the bytes into a file instead of showing them' }),
})

export const createQuarantineShowVerb = (env: Environment) =>
  createVerb({
    name: 'quarantine show',
    about: 'Shows one record that was set aside: why, what to do, its headers and its bytes.',
    more: `${kafkaHelp}\nExit code 0, or 1 when nothing stands at the position.`,
    options,
    async run({ position, hex, out }) {
      await using quarantine = await openQuarantine(env, 'quarantine show')
      const found = await findQuarantined(quarantine, { position, maySee: () => true })
      if (found === null) {
        throw new StartProblem(
          `Nothing stands at ${positionText(position)} in quarantine. It keeps records for 30 days; see quarantine list.`,
        )
      }
      for (const line of linesOf(found, quarantine.partitions)) printLine(line)
      const value = found.value ?? Buffer.alloc(0)
      if (out !== undefined) {
        writeBytes(out, value)
        printLine(`Its ${value.length} bytes are in ${out}.`)
        return 0
      }
      printLine(
        `Body, ${value.length} bytes${value.length > mostBytesShown ? `, of which the first ${mostBytesShown}` : ''}:`,
      )
      for (const line of bodyLines(value.subarray(0, mostBytesShown), hex)) printLine(line)
      return 0
    },
  })

function linesOf(record: Quarantined, partitions: number): string[] {
  const { meaning, whatToDo } = guideTo(record.reason)
  const made = redriveRecord(record, { topic: '', partitions, attributedTo: null })
  const routing = readRouting(record.value ?? Buffer.alloc(0))
  return [
    ['Position', positionText(record)],
    ['Set aside', new Date(record.setAsideMs).toISOString()],
    ['Reason', record.where === '' ? record.reason : `${record.reason} at ${record.where}`],
    ['Meaning', meaning],
    ['What to do', whatToDo],
    ['Client', record.clientId ?? '(none)'],
    ...('registrationRequestId' in routing && routing.registrationRequestId !== null
      ? [['Request id', routing.registrationRequestId]]
      : []),
    ['Came from', originText(record)],
    ['Redrive', made.kind === 'record' ? 'possible' : `not possible: ${obstacles[made.obstacle]}`],
    ['Key', record.key],
    ['Headers', ''],
    ...[...record.headers].map(([name, value]) => [`  ${name}`, value.toString('utf8')]),
  ].map(([name = '', text = '']) => `${name.padEnd(20)} ${text}`.trimEnd())
}

function originText({ origin, source }: Quarantined): string {
  if (origin === null) return 'an ingress, which refused it: it was never in the raw topic'
  const place = `${origin.topic} partition ${origin.partition} offset ${origin.offset}`
  const appended = `appended ${new Date(origin.timestampMs).toISOString()}`
  const first =
    source === `${origin.topic}/${origin.partition}/${origin.offset}` ? '' : `, put back from ${source}`
  return `${place}, ${appended}${first}`
}

/** As text where it is UTF-8, else, or when that is wanted, sixteen bytes a line. */
function bodyLines(bytes: Buffer, hex: boolean): string[] {
  const text = bytes.toString('utf8')
  if (!hex && isText(bytes, text)) return text.split(/\r?\n/)
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, line) => {
    const some = bytes.subarray(line * 16, line * 16 + 16)
    const pairs = some.toString('hex').replaceAll(/../g, '$& ')
    return `${(line * 16).toString(16).padStart(8, '0')}  ${pairs.padEnd(48)} ${some.toString('latin1').replaceAll(/[^ -~]/g, '.')}`
  })
}

/** The cut may have gone through a character of up to four bytes. */
function isText(bytes: Buffer, text: string): boolean {
  const whole = bytes.length === mostBytesShown ? text.replace(/\uFFFD$/, '') : text
  return Buffer.from(whole, 'utf8').equals(bytes.subarray(0, Buffer.byteLength(whole)))
}

function writeBytes(path: string, bytes: Buffer): void {
  try {
    writeFileSync(path, bytes, { mode: 0o600 })
  } catch (cause) {
    throw new StartProblem(`--out ${path} cannot be written (${codeOf(cause)}). Correct the path.`)
  }
}
