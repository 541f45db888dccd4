import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** What a process has used since it began, and holds now. */
export type Usage = { cpuMs: number; rssMiB: number }

/** Linux counts user and system time in hundredths of a second for everybody, whatever the kernel's own clock. */
const tickMs = 10

/**
 * CPU time and resident memory of a process with all its threads, without its children: utime + stime of
 * /proc/<pid>/stat and VmRSS of /proc/<pid>/status, elsewhere what `ps` says.
 *
 * @throws when the process is gone
 */
export async function readUsage(pid: number): Promise<Usage> {
  if (process.platform !== 'linux') return readUsageByPs(pid)
  const [stat, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ])
  return { cpuMs: cpuMsOfStat(stat), rssMiB: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024 }
}

/** The usage of several processes together. */
export async function readUsageOf(pids: readonly number[]): Promise<Usage> {
  return sumOfUsage(await Promise.all(pids.map(readUsage)))
}

/** The processes behind servers of this run; none when they run elsewhere. */
export function pidsOf(servers: readonly object[]): number[] {
  return servers.flatMap((server) => ('pid' in server && typeof server.pid === 'number' ? [server.pid] : []))
}

export function sumOfUsage(usages: readonly Usage[]): Usage {
  return {
    cpuMs: usages.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssMiB: usages.reduce((sum, { rssMiB }) => sum + rssMiB, 0),
  }
}

/** The 14th and 15th field; counted from the end of the name in brackets, which may hold blanks and brackets. */
function cpuMsOfStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

async function readUsageByPs(pid: number): Promise<Usage> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'time=,rss=', '-p', String(pid)])
  const [time = '', rss = ''] = stdout.trim().split(/\s+/)
  return { cpuMs: cpuMsOfClock(time), rssMiB: Number(rss) / 1024 }
}

/** `[[days-]hours:]minutes:seconds`, the seconds with a fraction on some systems. */
export function cpuMsOfClock(time: string): number {
  const [clock = '', days = '0'] = time.split('-').toReversed()
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  return (Number(days) * 24 * 3600 + seconds) * 1000
}
