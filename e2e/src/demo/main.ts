// The whole of Signalbox on real Kafka and Redis: sends notifications as Alipay+ would, kills the processor half
// way, and shows what a merchant and an auditor would see. Exit code 0 only if the books balance and every final
// state is the simulator's truth.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { deliveryLine } from '@signalbox/contracts/simulator-files'
import { imbalances, isAcknowledged } from '../balance.ts'
import { wrongStates } from '../final-states.ts'
import { openPipeline, type Pipeline } from '../pipeline.ts'
import { untilQuiet } from '../quiet.ts'
import { readLines, readSent, readTruth } from '../run-facts.ts'
import { mostTelling, tellBalance, tellDelivery, tellHistory } from './story.ts'

const help = `npm run demo [-- options]

Starts Kafka, Redis and all services, sends the documented samples and generated notifications with duplicates and
late old snapshots, kills the processor half way, and prints one merchant's history, an alert and the balance.

  --notifications N  how many generated notifications (500)
  --seed N           another series of them (1)
  --keep             leave everything running, and print the URLs and a signed curl; Ctrl-C ends it
  --help             this text

Kafka and Redis: child processes where Java 17 is at hand, else Docker; SIGNALBOX_INFRA=embedded|docker|env forces
one (env: those of KAFKA_BROKERS and REDIS_URL, which should be empty).
`

const quietDeadlineMs = 90_000
const begun = performance.now()

const options = readOptions()
if (options.help) {
  say(help)
  process.exit(0)
}

let interrupted = false
let running: Pipeline | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second time, or before there is anything to close: what was started ends with this process.
    if (interrupted || running === undefined) process.exit(130)
    interrupted = true
    progress('stopping')
    void running[Symbol.asyncDispose]().then(
      () => process.exit(130),
      () => process.exit(130),
    )
  })
}

try {
  await using pipeline = await openPipeline({ env: process.env, onProgress: progress })
  running = pipeline
  await sendAndKill(pipeline)
  const holds = await report(pipeline)
  if (options.keep) await keep(pipeline)
  process.exitCode = holds ? 0 : 1
} catch (error) {
  // While everything is being closed after Ctrl-C, what was under way fails; that is no news.
  if (!interrupted) {
    say(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
running = undefined

async function sendAndKill(pipeline: Pipeline): Promise<void> {
  const total = options.notifications
  progress(`sending the 2 documented samples and ${total} generated notifications`)
  const send = await pipeline.simulate('send', {
    url: pipeline.ingressUrl,
    notifications: total,
    seed: options.seed,
    duplicates: 0.2,
    late: 0.1,
    rate: 150,
    seeds: true,
  })
  let ended: string | undefined
  void send.ended.then((how) => {
    ended = how
  })
  let restarted: Promise<unknown> | undefined
  let shown = 0
  while (ended === undefined) {
    await delay(100)
    const acknowledged = (await readSent(pipeline)).filter(isAcknowledged).length
    if (restarted === undefined && acknowledged > total / 2) {
      await pipeline.services.processor.kill()
      progress(`${acknowledged} acknowledged: processor killed (SIGKILL); the ingress goes on`)
      restarted = pipeline.services.processor.start()
      restarted.catch(() => {}) // reported where it is awaited
    }
    if (acknowledged >= shown + 150) {
      shown = acknowledged
      progress(`${acknowledged} acknowledged`)
    }
  }
  if (ended !== 'exit code 0')
    throw new Error(`the simulator ended with ${ended}; its output is in ${send.logFile}`)
  await restarted
  progress(
    'processor back in its group: Kafka gives it the partitions when the killed member’s session has run out',
  )
  progress('all sent; waiting until every record has its outcome and every alert its receipt')
}

async function report(pipeline: Pipeline): Promise<boolean> {
  const { facts, balance } = await untilQuiet(pipeline, { deadlineMs: quietDeadlineMs, onProgress: progress })
  const truth = await readTruth(pipeline)
  const wrong = await wrongStates(pipeline, truth)

  const registration = mostTelling(facts)
  say(
    `\nOne merchant's history: ${registration.referenceMerchantId}, store ${registration.referenceStoreId ?? '(none)'}\n`,
  )
  say(`${tellHistory(facts, registration).join('\n')}\n`)

  const delivery = facts.deliveries.findLast(({ body }) => body.includes(registration.referenceMerchantId))
  say('\nThe last alert its endpoint received\n')
  say(`${(delivery === undefined ? ['  none'] : tellDelivery(delivery)).join('\n')}\n`)

  say('\nThe balance\n')
  say(`${tellBalance(balance, { checked: truth.length, wrong: wrong.length }).join('\n')}\n`)

  const problems = [...imbalances(balance), ...wrong]
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  say(
    problems.length === 0
      ? `\nEverything adds up (${seconds} s).\n`
      : `\nIt does not add up:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\n`,
  )
  return problems.length === 0
}

async function keep(pipeline: Pipeline): Promise<void> {
  const curl = await pipeline.simulate('curl', { url: pipeline.ingressUrl, store: 'pasted-1' })
  await curl.ended
  const deliveriesFile = join(pipeline.folder, 'deliveries.jsonl')
  say(`
Still running. Ctrl-C ends everything.
  ingress   ${pipeline.ingressUrl}
  console   ${pipeline.consoleUrl}/v1/registrations?clientId=…&referenceMerchantId=…
            Authorization: Bearer ${pipeline.consoleToken}
  Kafka     ${pipeline.kafka.brokers.join(',')}
  Redis     ${pipeline.redis.url}
  files     ${pipeline.folder}

Send a signed notification (valid as long as you like; each paste is the same notification again):

${await readFile(curl.logFile, 'utf8')}
`)
  let shown = (await readLines(deliveriesFile, deliveryLine)).length
  while (!interrupted) {
    await delay(500)
    const deliveries = await readLines(deliveriesFile, deliveryLine)
    for (const delivery of deliveries.slice(shown)) {
      say(`\nAn alert arrived at endpoint ${delivery.endpointId}\n${tellDelivery(delivery).join('\n')}\n`)
    }
    shown = deliveries.length
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        notifications: { type: 'string', default: '500' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    return {
      ...values,
      notifications: wholeNumber('notifications', values.notifications),
      seed: wholeNumber('seed', values.seed),
    }
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    return process.exit(1)
  }
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 1_000_000) {
    throw new Error(`--${option} takes a whole number from 1 to 1000000`)
  }
  return number
}

function progress(message: string): void {
  const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(5)
  say(`[${seconds} s] ${message}\n`)
}

function say(text: string): void {
  process.stdout.write(text)
}
