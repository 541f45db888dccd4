import { exchange } from '../process/tcp-exchange.ts'

const answerDeadlineMs = 2000

/**
 * The process id of the Redis that answers on this port, as it sees itself. Throws when nothing answers
 * within 2 s or when it is still loading its data.
 */
export async function readRedisPid({ host, port }: { host: string; port: number }): Promise<number> {
  const answer = await exchange({
    host,
    port,
    request: 'INFO server\r\n',
    isComplete: (bytes) => isWhole(bytes.toString('latin1')),
    deadlineMs: answerDeadlineMs,
  })
  const text = answer.toString('latin1')
  const pid = /^process_id:(\d+)/mu.exec(text)?.[1]
  if (pid === undefined) throw new Error(`Redis answers: ${text.slice(0, 200)}`)
  return Number(pid)
}

/** Either an error line or a bulk string, `$<bytes>` and the bytes. */
function isWhole(answer: string): boolean {
  const bulk = /^\$(\d+)\r\n/u.exec(answer)
  if (bulk === null) return !answer.startsWith('$') && answer.endsWith('\r\n')
  return answer.length >= bulk[0].length + Number(bulk[1]) + 2
}
