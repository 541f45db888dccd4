/** What the parent asks of its supervisor: start one server. */
export interface StartOrder {
  name: string
  command: string
  args: string[]
  /** Both output streams are appended here; its folder becomes the working directory. */
  logFile: string
}

/** What the supervisor reports back. */
export type Report =
  | { kind: 'ready'; folder: string }
  | { kind: 'refused'; reason: string }
  | { kind: 'started'; name: string; pid: number }
  | { kind: 'failed'; name: string; reason: string }
  | { kind: 'exited'; name: string; how: string }

/** Both ends are this package, in one version: a message of another shape is a fault and throws. */
export function parseStartOrder(message: unknown): StartOrder {
  const { name, command, args, logFile } = fieldsOf(message)
  if (!Array.isArray(args)) throw unexpected(message)
  return {
    name: textOf(name),
    command: textOf(command),
    args: args.map(textOf),
    logFile: textOf(logFile),
  }
}

/** See {@link parseStartOrder}. */
export function parseReport(message: unknown): Report {
  const { kind, name, pid, reason, how, folder } = fieldsOf(message)
  switch (kind) {
    case 'ready':
      return { kind, folder: textOf(folder) }
    case 'refused':
      return { kind, reason: textOf(reason) }
    case 'started':
      if (typeof pid !== 'number') throw unexpected(message)
      return { kind, name: textOf(name), pid }
    case 'failed':
      return { kind, name: textOf(name), reason: textOf(reason) }
    case 'exited':
      return { kind, name: textOf(name), how: textOf(how) }
    default:
      throw unexpected(message)
  }
}

function fieldsOf(message: unknown): Record<string, unknown> {
  if (typeof message !== 'object' || message === null) throw unexpected(message)
  return { ...message }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw unexpected(value)
  return value
}

function unexpected(value: unknown): Error {
  return new Error(`Unexpected supervisor message: ${JSON.stringify(value)}`)
}
