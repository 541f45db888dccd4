import { runCommandLine } from '@signalbox/runtime/command-line'
import { createAlertsBench } from './alerts/alerts-bench.ts'
import { createIngressBench } from './ingress/ingress-bench.ts'
import { createProcessorBench } from './processor/processor-bench.ts'

// oxlint-disable-next-line node/no-process-env -- says where Kafka comes from, as for the demo and the tests
const { env } = process
process.exitCode = await runCommandLine(
  'npm run bench --',
  [createIngressBench({ env }), createProcessorBench({ env }), createAlertsBench({ env })],
  process.argv.slice(2),
)
