import { type MeasuredProcess, startMeasured } from '../../measure/measured-process.ts'
import type { BareSettings, BullmqSettings, ObviousSettings } from '../variants/settings.ts'
import type { Workbench } from '../workbench.ts'

/** Starts the alerts service as in production: its limits, its metrics, its log. */
export function startAlerts(
  { supervisor, alertsEnvironment }: Workbench,
  { profileFolder }: { profileFolder: string | null },
): Promise<MeasuredProcess> {
  const profiling =
    profileFolder === null ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileFolder}` }
  return startMeasured({
    supervisor,
    name: 'alerts',
    main: 'services/alerts/src/main.ts',
    environment: { ...alertsEnvironment, ...profiling },
    readyEvent: 'alerts.started',
  })
}

/** Starts one of the other implementations. */
export function startOther(
  { supervisor }: Workbench,
  other:
    | { name: 'bare'; settings: BareSettings }
    | { name: 'bullmq'; settings: BullmqSettings }
    | { name: 'obvious'; settings: ObviousSettings },
): Promise<MeasuredProcess> {
  return startMeasured({
    supervisor,
    name: other.name,
    main: `bench/src/alerts/variants/${other.name}.ts`,
    args: [JSON.stringify(other.settings)],
    readyEvent: 'bench.delivering',
  })
}
