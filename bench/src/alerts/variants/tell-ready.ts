/** Tells the bench by a log line, as the services write it, that a program is ready. */
export function tellReady(event: 'listening' | 'delivering', more: object = {}): void {
  process.stdout.write(`${JSON.stringify({ msg: `bench.${event}`, ...more })}\n`)
}
