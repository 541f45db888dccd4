import { appendFileSync, closeSync, openSync } from 'node:fs'

export type JsonLines<T> = Disposable & { append: (line: T) => void }

/**
 * A file that grows by one JSON line at a time. It writes synchronously: a line is whole and in the file when
 * `append` returns, so that a program that reads along never sees an effect before its line.
 */
export function openJsonLines<T>(path: string): JsonLines<T> {
  const file = openSync(path, 'a')
  return {
    append: (line) => appendFileSync(file, `${JSON.stringify(line)}\n`),
    [Symbol.dispose]: () => closeSync(file),
  }
}
