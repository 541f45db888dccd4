import { openProducer } from '@signalbox/kafka/producer'
import { mostPerRun, redrive, type RedriveReport, type RedriveRequest } from '@signalbox/quarantine/redrive'
import { obstacles } from '@signalbox/quarantine/redrive-record'
import { createVerb } from '@signalbox/runtime/command-line'
import type { Environment } from '@signalbox/runtime/config'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { z } from 'zod'
import { printLine } from '../print-line.ts'
import { silent } from '../silent.ts'
import { countsText } from './counts-text.ts'
import { kafkaHelp, openQuarantine } from './open-quarantine.ts'
import { positionMeta, positionOption, selectionOptions } from './options.ts'

const options = z.object({
  position: positionOption.optional().meta(positionMeta),
  ...selectionOptions,
  attributedTo: z.string().min(1).max(64).optional().meta({
    value: 'MERCHANT',
    description: 'the merchant that notifications without one are about, of one position or request id',
  }),
  dryRun: z.boolean().default(false).meta({ description: 'only counts what would be put back' }),
  again: z.boolean().default(false).meta({ description: 'also what was put back before' }),
})

type Options = z.output<typeof options>

export const createQuarantineRedriveVerb = (env: Environment) =>
  createVerb({
    name: 'quarantine redrive',
    about: 'Puts what was set aside back into the raw topic, as after a fix; twice changes nothing.',
    more: [
      'Give a position, or what to select: --reason, --request-id, --from, --to, and --client with them.',
      `A run takes ${mostPerRun} records and leaves alone what was put back before; run it again for the rest. With`,
      '--again it takes the oldest first, and says from when on the next run goes on with the rest.',
      kafkaHelp,
      'Exit code 0 when all that was selected is put back, 1 otherwise.',
    ].join('\n'),
    options,
    async run(given) {
      const what = selected(given)
      await using quarantine = await openQuarantine(env, 'quarantine redrive')
      await using producer = await openProducer(quarantine.kafka, {
        clientId: 'signalbox-quarantine',
        log: silent,
      })
      const { attributedTo = null, dryRun, again } = given
      const result = await redrive(
        { ...quarantine, producer, now: Date.now },
        { what, attributedTo, dryRun, again },
      )
      if (result.kind === 'not_found') {
        throw new StartProblem(
          'Nothing stands there in quarantine. It keeps records for 30 days; see quarantine list.',
        )
      }
      if (result.kind === 'refused') throw new StartProblem(`Nothing was put back. ${result.why}`)
      for (const line of linesOf(result.report, dryRun)) printLine(line)
      if (result.kind === 'interrupted') throw new StartProblem(result.why)
      return isDone(result.report) ? 0 : 1
    },
  })

/** Whoever may read the topics may see all of them. */
const maySee = () => true

/** @throws StartProblem when it is not said what to put back, or said twice */
function selected({ position, reason, client, requestId, from, to }: Options): RedriveRequest['what'] {
  const selects = [reason, requestId, from, to].some((given) => given !== undefined)
  if (position !== undefined) {
    if (!selects && client === undefined) return { kind: 'one', position, maySee }
    throw new StartProblem(
      'A position names one record: leave out --reason, --client, --request-id, --from and --to.',
    )
  }
  if (selects) {
    const selection = { reason, clientId: client, registrationRequestId: requestId, fromMs: from, toMs: to }
    return { kind: 'all', selection: { ...selection, maySee } }
  }
  throw new StartProblem(
    'What to put back is not said: give a position such as 3-42, or at least one of --reason, --request-id, --from and --to.',
  )
}

function isDone({ selected, remaining, impossible }: RedriveReport): boolean {
  return selected > 0 && remaining === 0 && Object.keys(impossible).length === 0
}

function linesOf(report: RedriveReport, dryRun: boolean): string[] {
  const { selected, byReason, putBack, redrivenBefore, impossible, unfit, remaining, goOnFromMs } = report
  const next = goOnFromMs === null ? '' : ` with --from ${new Date(goOnFromMs).toISOString()}`
  if (selected === 0) return ['Nothing in quarantine is selected. See quarantine list.']
  const whys = new Map(Object.entries(obstacles))
  return [
    `Selected: ${selected} (${countsText(byReason)}).`,
    `${dryRun ? 'Would be put back' : 'Put back'}: ${putBack}.`,
    ...(redrivenBefore === null || redrivenBefore === 0
      ? []
      : [`Left alone: ${redrivenBefore}, put back before. --again puts them back once more.`]),
    ...Object.entries(impossible).map(
      ([obstacle, count]) => `Cannot be put back: ${count}, ${whys.get(obstacle)}.`,
    ),
    ...(Object.keys(unfit).length === 0
      ? []
      : [`By the rules of this version these would be set aside again: ${countsText(unfit)}.`]),
    ...(remaining === 0 ? [] : [`Remaining: ${remaining}. Run it again${next}.`]),
  ]
}
