import { existsSync } from 'node:fs'
import type { RegistrationTruth, SentLine } from '@signalbox/contracts/simulator-files'
import { truthFile } from '@signalbox/contracts/simulator-files'
import { registrationKey } from '@signalbox/contracts/keys'
import { readJsonFile } from '@signalbox/runtime/files'
import { stopSignal } from '@signalbox/runtime/stop'
import { z } from 'zod'
import { createVerb } from '@signalbox/runtime/command-line'
import { createSendingPlan } from '../history/sending-plan.ts'
import { openJsonLines } from '../json-lines.ts'
import { createSample } from '../samples.ts'
import { readSenderClients, sampleMerchants, sandboxPaths, writeJson } from '../sandbox.ts'
import { outgoingOf } from '../sender/outgoing.ts'
import { openWire } from '../sender/post.ts'
import { sendAll, type Tally } from '../sender/send-all.ts'
import { folderOption, originOption } from './sandbox-options.ts'

const share = z.coerce.number().min(0).max(0.9)

export const sendVerb = createVerb({
  name: 'send',
  about: 'Plays Alipay+: sends life histories of registrations and retries until a verified S.',
  options: z
    .object({
      folder: folderOption,
      url: originOption.meta({ value: 'URL', description: 'address of the ingress, without a path' }),
      notifications: z.coerce.number().int().min(0).max(250_000).default(500).meta({
        value: 'COUNT',
        description: 'how many to send, copies included, samples not',
      }),
      duplicates: share
        .default(0.2)
        .meta({ value: 'SHARE', description: 'share of them sent again soon after' }),
      late: share.default(0.1).meta({
        value: 'SHARE',
        description: 'share of them that are old snapshots after newer ones',
      }),
      rate: z.coerce.number().min(0.1).max(100_000).default(200).meta({
        value: 'COUNT',
        description: 'notifications begun per second',
      }),
      concurrency: z.coerce.number().int().min(1).max(1_024).default(32).meta({
        value: 'COUNT',
        description: 'requests at a time',
      }),
      seed: z.coerce.number().int().min(0).max(4_294_967_295).default(1).meta({
        value: 'NUMBER',
        description:
          'the same seed makes the same registrations and histories: take another for a second run',
      }),
      seeds: z.boolean().default(false).meta({ description: 'begin with the two samples of the API pages' }),
      deltaLists: z.boolean().default(false).meta({
        description: 'list only the newest answer in snapshots before COMPLETED',
      }),
      hourMs: z.coerce.number().min(1).max(3_600_000).default(1_000).meta({
        value: 'MS',
        description: 'how long an hour of the retry schedule lasts, which is 24 h 22 min in all',
      }),
    })
    .refine(
      ({ duplicates, late }) => duplicates + late <= 0.9,
      '--duplicates and --late together may be 0.9 at most',
    ),
  async run(options) {
    const paths = sandboxPaths(options.folder)
    const clients = readSenderClients(options.folder)
    const nowMs = Date.now()
    const plan = createSendingPlan({
      ...options,
      nowMs,
      clients: clients.map(({ clientId, dialect }) => ({
        clientId,
        dialect,
        merchants: [sampleMerchants[dialect]],
      })),
    })
    const samples = options.seeds ? clients.slice(0, 2).map((client) => createSample(client, nowMs)) : []
    addTruths(paths.truth, [...samples.map(({ truth }) => truth), ...plan.truths])

    const tally: Tally = {
      total: samples.length + plan.sends.length,
      started: 0,
      attempts: 0,
      accepted: 0,
      givenUp: 0,
    }
    const stop = stopSignal({ service: 'send', deadlineMs: 10_000 })
    const begunMs = performance.now()
    using sent = openJsonLines<SentLine>(paths.sent)
    await using wire = openWire({ origin: options.url, connections: options.concurrency })
    const sending = sendAll({
      sends: outgoing(),
      clients,
      wire,
      ratePerSecond: options.rate,
      concurrency: options.concurrency,
      hourMs: options.hourMs,
      record: sent.append,
      tally,
      stop,
    })
    await showProgress(tally, sending)
    const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1)
    process.stdout.write(
      `Sent ${tally.started} of ${tally.total} notifications in ${tally.attempts} attempts and ${seconds} s: ` +
        `${tally.accepted} accepted with a verified S, ${tally.givenUp} given up.\n`,
    )
    return tally.accepted === tally.total ? 0 : 1

    function* outgoing() {
      for (const { send } of samples) yield send
      for (const send of plan.sends) yield outgoingOf(send)
    }
  },
})

/** Keeps what earlier runs have sent; a registration that is sent again has the truth of this run. */
function addTruths(path: string, truths: readonly RegistrationTruth[]): void {
  const known = existsSync(path) ? readJsonFile(path, '--folder', truthFile).registrations : []
  const byKey = new Map([...known, ...truths].map((truth) => [registrationKey(truth.registration), truth]))
  writeJson(path, { registrations: [...byKey.values()] })
}

/** One line on stderr until the work ends: rewritten every second on a terminal, elsewhere a new one every five. */
async function showProgress(tally: Tally, work: Promise<void>): Promise<void> {
  const terminal = process.stderr.isTTY
  const show = () => {
    const waiting = tally.started - tally.accepted - tally.givenUp
    const line = `send: ${tally.accepted} of ${tally.total} accepted, ${waiting} under way, ${tally.givenUp} given up, ${tally.attempts} attempts`
    process.stderr.write(terminal ? `\r\u001B[K${line}` : `${line}\n`)
  }
  const timer = setInterval(show, terminal ? 1_000 : 5_000)
  try {
    await work
  } finally {
    clearInterval(timer)
    if (terminal) process.stderr.write('\r\u001B[K')
  }
}
