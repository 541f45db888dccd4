import { describeFailure } from '@signalbox/runtime/start-problem'
import { simVerb } from './sim-verb.ts'

const args = process.argv.slice(2)
try {
  if (args.includes('--help')) process.stdout.write(`${simVerb.help('npm run')}\n`)
  else process.exitCode = await simVerb.run(args)
} catch (problem) {
  process.stderr.write(`${describeFailure(problem)}\n`)
  process.exitCode = 1
}
