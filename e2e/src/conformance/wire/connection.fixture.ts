import { connect, type Socket } from 'node:net'
import { bodyBytes, type HeaderLine, headBytes, type WireRequest } from './request.fixture.ts'

/** An answer as it came, header names in the letters that they had. */
export type WireAnswer = {
  status: number
  headers: readonly HeaderLine[]
  body: Buffer
  /** The status codes of interim answers before it, such as 100. */
  interim: readonly number[]
  /** Everything received, for a look at what should not be in it. */
  bytes: Buffer
  receivedAtMs: number
}

/** How a request goes out: at once; its body only after 100 Continue; or its body never to the end. */
export type Sending = 'whole' | 'body after 100' | 'unfinished'

/** One connection at a time to an ingress, opened when needed and kept for the next request. */
export type Sender = AsyncDisposable & {
  /** @throws when the connection fails or nothing comes within 15 seconds, which is when the SDKs give up */
  send(request: WireRequest, sending?: Sending): Promise<WireAnswer>
}

const answerDeadlineMs = 15_000

/** Speaks HTTP over bare sockets, because an HTTP client would repair or refuse the requests that matter here. */
export function createSender(port: number): Sender {
  let socket: Socket | null = null
  const send: Sender['send'] = async (request, sending = 'whole') => {
    socket ??= connect({ port, host: '127.0.0.1', noDelay: true })
    const { answer, reusable } = await exchange(socket, request, sending)
    if (!reusable) {
      socket.destroy()
      socket = null
    }
    return answer
  }
  return {
    send,
    async [Symbol.asyncDispose]() {
      socket?.destroy()
    },
  }
}

/** Sends one request over a connection of its own. */
export async function sendAlone(port: number, request: WireRequest, sending?: Sending): Promise<WireAnswer> {
  await using sender = createSender(port)
  return await sender.send(request, sending)
}

function exchange(
  socket: Socket,
  request: WireRequest,
  sending: Sending,
): Promise<{ answer: WireAnswer; reusable: boolean }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ answer: WireAnswer; reusable: boolean }>()
  const body = bodyBytes(request)
  let received: Buffer = Buffer.alloc(0)
  let bodyIsOut = sending === 'whole'

  function read(hasEnded: boolean): void {
    const interim: number[] = []
    let from = 0
    for (;;) {
      const head = readHead(received, from)
      if (head === null) break
      if (head.status >= 100 && head.status < 200 && head.status !== 101) {
        interim.push(head.status)
        from = head.end
        if (head.status === 100 && sending === 'body after 100' && !bodyIsOut) {
          bodyIsOut = true
          socket.write(body)
        }
        continue
      }
      const length = request.method === 'HEAD' ? 0 : lengthOf(head.headers)
      if (length === null && !hasEnded) return
      const end = length === null ? received.length : head.end + length
      if (received.length < end) break
      const answer = {
        status: head.status,
        headers: head.headers,
        body: received.subarray(head.end, end),
        interim,
        bytes: received,
        receivedAtMs: Date.now(),
      }
      const closes = head.headers.some(([name, value]) => /^connection$/i.test(name) && /close/i.test(value))
      settle(() =>
        resolve({ answer, reusable: bodyIsOut && !closes && !hasEnded && request.version === '1.1' }),
      )
      return
    }
    if (hasEnded) {
      const after = `after ${received.length} bytes of an answer`
      settle(() => reject(new Error(`the connection ended ${after}`, { cause: socket.errored })))
    }
  }

  function readOrFail(hasEnded: boolean): void {
    try {
      read(hasEnded)
    } catch (error) {
      settle(() => reject(error))
    }
  }

  function settle(how: () => void): void {
    clearTimeout(timer)
    socket.off('data', onData).off('close', onClose)
    how()
  }
  const onData = (bytes: Buffer) => {
    received = received.length === 0 ? bytes : Buffer.concat([received, bytes])
    readOrFail(false)
  }
  const onClose = () => readOrFail(true)
  const timer = setTimeout(() => {
    socket.destroy()
    settle(() => reject(new Error(`no answer within ${answerDeadlineMs} ms, ${received.length} bytes came`)))
  }, answerDeadlineMs)

  // A receiver may answer and close before all is sent, so only the end of the connection decides.
  if (socket.listenerCount('error') === 0) socket.on('error', () => {})
  socket.on('data', onData).on('close', onClose)
  socket.write(headBytes(request))
  if (sending === 'whole') socket.write(body)
  if (sending === 'unfinished') socket.write(body.subarray(0, body.length / 2))
  return promise
}

type Head = { status: number; headers: HeaderLine[]; end: number }

function readHead(bytes: Buffer, from: number): Head | null {
  const end = bytes.indexOf('\r\n\r\n', from)
  if (end < 0) return null
  const [start = '', ...lines] = bytes.toString('latin1', from, end).split('\r\n')
  const status = /^HTTP\/1\.1 ([0-9]{3})(?: |$)/.exec(start)?.[1]
  if (status === undefined) throw new Error(`no status line: ${start}`)
  const headers = lines.map((line): HeaderLine => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { status: Number(status), headers, end: end + 4 }
}

/** Null when the end of the connection ends the body. */
function lengthOf(headers: readonly HeaderLine[]): number | null {
  const length = headers.find(([name]) => /^content-length$/i.test(name))?.[1]
  return length === undefined ? null : Number(length)
}
