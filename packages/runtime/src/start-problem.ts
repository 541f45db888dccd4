/** Why a process cannot start, in words for the person who started it: what, where, and what to do. */
export class StartProblem extends Error {
  override name = 'StartProblem'
}

/** What went wrong in one word, such as ENOENT; of what has no code, all that it says. */
export function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
}

/**
 * The text shown when a process ends because of `error`: its message and those of its causes. A programming
 * mistake keeps its stack, because there the stack is the message.
 */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (isProgrammingMistake(error)) return error.stack ?? error.message
  const cause = error.cause === undefined ? '' : `\n  caused by: ${describeFailure(error.cause)}`
  return error.message + cause
}

function isProgrammingMistake(error: Error): boolean {
  return ['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError', 'AssertionError'].includes(error.name)
}
