import { readFileSync, statSync } from 'node:fs'
import { z } from 'zod'
import { keyFileProblem } from './key-file-mode.ts'
import { codeOf, StartProblem } from './start-problem.ts'

/**
 * Reads a text file that a variable or a file's member names.
 *
 * @param named who names the file, for the message: `CLIENTS_FILE`, or `CLIENTS_FILE clients[0].ownKeys[0]`
 * @throws StartProblem when it cannot be read
 */
export function readNamedFile(path: string, named: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StartProblem(unreadableFile({ named, path, problem: codeOf(cause) }))
  }
}

/** Reads a file that holds a secret. @throws StartProblem when it cannot be read, or others than its user can read it */
export function readSecretFile(path: string, named: string): string {
  const text = readNamedFile(path, named)
  const found = keyFileProblem(path, statSync(path), process)
  if (found === null) return text
  throw new StartProblem(`${named}: ${found.problem}. ${found.remedy}`)
}

/** What to say of a file that could not be read; `named` is who names it. */
export function unreadableFile({
  named,
  path,
  problem,
}: {
  named: string
  path: string
  problem: string
}): string {
  return `${named} names the file ${path}, which cannot be read (${problem}). Create it, correct the path, or make it readable for this user.`
}

/** Reads a JSON file with its schema. @throws StartProblem with every problem and its place in the file */
export function readJsonFile<S extends z.ZodType>(path: string, named: string, schema: S): z.output<S> {
  const text = readNamedFile(path, named)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new StartProblem(`${named} names the file ${path}, which is not JSON: ${problem}`)
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new StartProblem(
    `${named} names the file ${path}, whose content does not fit:\n${z.prettifyError(parsed.error)}`,
  )
}
