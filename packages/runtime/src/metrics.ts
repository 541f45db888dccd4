import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

type Description = { name: string; help: string }

/** The metrics of one process: a registry of its own, so that two of them in one test do not meet. */
export type Metrics = ReturnType<typeof createMetrics>

/** Creates the registry with the usual process metrics and the label `service` on everything. */
export function createMetrics(service: string) {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  collectDefaultMetrics({ register: registry })
  return {
    counter: <L extends string = never>(description: Description & { labels?: readonly L[] }) =>
      new Counter({
        name: description.name,
        help: description.help,
        labelNames: description.labels ?? [],
        registers: [registry],
      }),
    /** @param description.value is asked at every scrape; without it the gauge is set by hand */
    gauge: <L extends string = never>({
      name,
      help,
      labels = [],
      value,
    }: Description & { labels?: readonly L[]; value?: () => number }) =>
      new Gauge<L>({
        name,
        help,
        labelNames: labels,
        registers: [registry],
        ...(value === undefined
          ? {}
          : {
              collect() {
                this.set(value())
              },
            }),
      }),
    histogram: <L extends string = never>(
      description: Description & { labels?: readonly L[]; buckets: readonly number[] },
    ) =>
      new Histogram({
        name: description.name,
        help: description.help,
        labelNames: description.labels ?? [],
        buckets: [...description.buckets],
        registers: [registry],
      }),
    /** The current values in Prometheus' text format. */
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}
