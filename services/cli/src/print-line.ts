/** Writes a result to standard output; control characters of what was captured never reach the terminal. */
export function printLine(line: string): void {
  process.stdout.write(`${line.replaceAll(/\p{Cc}/gu, '\uFFFD')}\n`)
}
