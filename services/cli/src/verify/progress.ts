import { printLine } from '../print-line.ts'

const terminalPauseMs = 250
const linePauseMs = 5_000

/** Results on standard output, and meanwhile on standard error how far the work is. */
export type Progress = Disposable & {
  print: (line: string) => void
  update: (visited: number, total: number) => void
}

/** On a terminal one line that is rewritten, elsewhere a new one every five seconds. */
export function openProgress(name: string): Progress {
  const terminal = process.stderr.isTTY
  const clear = () => {
    if (terminal) process.stderr.write('\r\u001B[K')
  }
  let shownMs = performance.now()
  return {
    print(line) {
      clear()
      printLine(line)
    },
    update(visited, total) {
      const nowMs = performance.now()
      if (nowMs - shownMs < (terminal ? terminalPauseMs : linePauseMs)) return
      shownMs = nowMs
      const line = `${name}: ${visited} of ${total} records`
      process.stderr.write(terminal ? `\r\u001B[K${line}` : `${line}\n`)
    },
    [Symbol.dispose]: clear,
  }
}
