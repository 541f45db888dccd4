import { connect } from 'node:net'

const maxAnswerBytes = 1024 * 1024

/** Sends one request and resolves to what came back once `isComplete` says so. Throws past the deadline. */
export function exchange({
  host,
  port,
  request,
  isComplete,
  deadlineMs,
}: {
  host: string
  port: number
  request: Buffer | string
  isComplete: (answer: Buffer) => boolean
  deadlineMs: number
}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer: Buffer = Buffer.alloc(0)
    const socket = connect({ host, port, signal: AbortSignal.timeout(deadlineMs) })
    socket.once('connect', () => socket.write(request))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`${host}:${port} closed the connection before it answered`)))
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length > maxAnswerBytes) socket.destroy(new Error(`${host}:${port} answers without end`))
      else if (isComplete(answer)) {
        resolve(answer)
        socket.destroy()
      }
    })
  })
}
