import { readFile } from 'node:fs/promises'
import type { ServiceProcess } from '@signalbox/testkit/service-process'
import { z } from 'zod'

const logLine = z.looseObject({ msg: z.string() })

/** Everything that a process has written by now, its last words included. */
export function readLog({ logFile }: ServiceProcess): Promise<string> {
  return readFile(logFile, 'utf8')
}

/** The log lines of one event that these processes have written by now. */
export async function linesWith(
  processes: readonly ServiceProcess[],
  event: string,
): Promise<z.infer<typeof logLine>[]> {
  const logs = await Promise.all(processes.map(readLog))
  return logs
    .flatMap((log) => log.split('\n'))
    .filter((line) => line.startsWith('{') && line.endsWith('}') && line.includes(`"${event}"`))
    .map((line) => logLine.parse(JSON.parse(line)))
    .filter(({ msg }) => msg === event)
}
