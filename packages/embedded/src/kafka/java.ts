import { runCommand } from '../process/run-command.ts'

const oldestJava = 17
const commandDeadlineMs = 30_000

/** A Java that Kafka runs on; `version` is all that `java -version` prints and tells two JDKs apart. */
export type JavaFound = { kind: 'found'; version: string } | { kind: 'missing'; reason: string }

/** Looks for Java 17 or newer on PATH. */
export async function findJava(): Promise<JavaFound> {
  const asked = await runCommand('java', ['-version'], { deadlineMs: commandDeadlineMs })
  if (asked.kind === 'absent') return { kind: 'missing', reason: 'there is no java on PATH' }
  const major = asked.kind === 'done' ? javaMajor(asked.output) : null
  if (major === null) return { kind: 'missing', reason: `java -version says: ${asked.output}` }
  if (major < oldestJava) return { kind: 'missing', reason: `the java on PATH is version ${major}` }
  return { kind: 'found', version: asked.output }
}

/** The major version in what `java -version` prints; up to Java 8 it comes second (`1.8.0`). */
export function javaMajor(output: string): number | null {
  const found = /version "(?:1\.)?(\d+)/u.exec(output)?.[1]
  return found === undefined ? null : Number(found)
}
