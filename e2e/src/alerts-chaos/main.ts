import { describeFailure } from '@signalbox/runtime/start-problem'
import { createAlertsChaosVerb } from './alerts-chaos-verb.ts'

// oxlint-disable-next-line node/no-process-env -- says where Kafka and Redis come from, as for the demo and the tests
const verb = createAlertsChaosVerb({ env: process.env })
const args = process.argv.slice(2)
try {
  if (args.includes('--help')) process.stdout.write(`${verb.help('npm run')}\n`)
  else process.exitCode = await verb.run(args)
} catch (problem) {
  process.stderr.write(`${describeFailure(problem)}\n`)
  process.exitCode = 1
}
