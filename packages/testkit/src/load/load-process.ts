import { createPublicKey } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { verifyAnswer } from '../signed-notification.ts'
import { type LoadRecord, loadPlan, type Outcome, outcomes } from './load-plan.ts'
import { readRequests } from './prepared-requests.ts'

// The load generator: a process of its own, so that what it costs is not in the figures of what it loads.
process.once('message', (message: unknown) => {
  void generate(message).then((record) => process.send?.(record, () => process.disconnect()))
})
process.on('disconnect', () => process.exit(0))

/** How long answers are waited for after the last request fell due. */
const patienceMs = 6_000

const none = Buffer.alloc(0)

type Connection = {
  socket: Socket
  /** The request under way; -1: none. */
  request: number
  received: Buffer
}

async function generate(message: unknown): Promise<LoadRecord> {
  const plan = loadPlan.parse(message)
  const requests = await readRequests(plan.requestsFile)
  const judge = createJudge(plan)
  const outcome: number[] = []
  const dueMs: number[] = []
  const answeredMs: number[] = []
  const waiting: number[] = []
  const free: Connection[] = []
  const connections = new Set<Connection>()
  let connectionsOpened = 0
  let unanswered = 0
  const startedAt = Date.now()
  const start = performance.now()
  const cpu = process.cpuUsage()
  const elapsed = () => performance.now() - start
  const isDue = () => elapsed() < plan.durationMs

  function fallsDue(atMs: number): number {
    dueMs.push(atMs)
    answeredMs.push(Number.NaN)
    unanswered += 1
    return outcome.push(0) - 1
  }

  function settle(connection: Connection, result: Outcome): void {
    const { request } = connection
    if (request < 0) return
    connection.request = -1
    outcome[request] = outcomes.indexOf(result)
    answeredMs[request] = elapsed()
    unanswered -= 1
  }

  function open(): Connection {
    const socket = connect({ host: '127.0.0.1', port: plan.port, noDelay: true })
    const connection: Connection = { socket, request: -1, received: none }
    connections.add(connection)
    connectionsOpened += 1
    socket.on('data', (chunk: Buffer) => receive(connection, chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      connections.delete(connection)
      const at = free.indexOf(connection)
      if (at >= 0) free.splice(at, 1)
      settle(connection, 'broken off')
      if (plan.pace.kind === 'closed' && isDue()) next(open())
      else sendWaiting()
    })
    return connection
  }

  function send(connection: Connection, request: number): void {
    const bytes = requests[(plan.firstRequest + request) % requests.length]
    if (bytes === undefined) throw new Error('there are no requests to send')
    connection.request = request
    connection.socket.write(bytes)
  }

  let latest: { bytes: Buffer; outcome: Outcome; closes: boolean } | undefined

  /** The one answer that these bytes are; null while it is incomplete. */
  function readAnswer(bytes: Buffer) {
    const text = bytes.toString('latin1')
    const size = answerSize(text)
    if (size === null || bytes.length < size) return null
    const head = text.slice(0, text.indexOf('\r\n\r\n') + 2)
    const outcome = bytes.length > size ? ('malformed' as const) : judge(text)
    return { bytes, outcome, closes: /\r\nconnection: close\r\n/i.test(head) }
  }

  function receive(connection: Connection, chunk: Buffer): void {
    const bytes = connection.received.length === 0 ? chunk : Buffer.concat([connection.received, chunk])
    // Most answers of one second are the same bytes, and comparing costs less than reading them again.
    const same = latest !== undefined && latest.bytes.equals(bytes)
    const answer = same && latest !== undefined ? latest : readAnswer(bytes)
    if (answer === null) {
      connection.received = bytes
      return
    }
    latest = answer
    connection.received = none
    settle(connection, answer.outcome)
    if (answer.closes) {
      connection.socket.end()
      return
    }
    next(connection)
  }

  /** A connection is free. */
  function next(connection: Connection): void {
    if (plan.pace.kind === 'closed') {
      if (isDue()) send(connection, fallsDue(elapsed()))
      return
    }
    free.push(connection)
    sendWaiting()
  }

  let firstWaiting = 0
  function sendWaiting(): void {
    if (plan.pace.kind !== 'open') return
    while (firstWaiting < waiting.length) {
      const connection = free.pop() ?? (connections.size < plan.pace.connections ? open() : undefined)
      const request = waiting[firstWaiting]
      if (connection === undefined || request === undefined) return
      firstWaiting += 1
      send(connection, request)
    }
  }

  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  if (plan.pace.kind === 'closed') for (let n = 0; n < plan.pace.connections; n++) next(open())
  const clock = setInterval(() => {
    if (plan.pace.kind === 'open') {
      const due = Math.floor((Math.min(elapsed(), plan.durationMs) / 1000) * plan.pace.perSecond)
      while (outcome.length < due) waiting.push(fallsDue((outcome.length / plan.pace.perSecond) * 1000))
      sendWaiting()
    }
    if (isDue()) return
    if (unanswered === 0 || elapsed() > plan.durationMs + patienceMs) finish()
  }, 1)
  await finished
  clearInterval(clock)
  const used = process.cpuUsage(cpu)
  for (const { socket } of connections) socket.destroy()
  return {
    startedAt,
    durationMs: Math.min(elapsed(), plan.durationMs),
    cpuMs: (used.user + used.system) / 1000,
    connectionsOpened,
    outcome: Uint8Array.from(outcome),
    dueMs: Float64Array.from(dueMs),
    answeredMs: Float64Array.from(answeredMs),
  }
}

/** Bytes of the whole answer at the start of the text; null while its head is incomplete. */
function answerSize(text: string): number | null {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return null
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(text.slice(0, headEnd + 2))
  return headEnd + 4 + Number(length?.[1] ?? 0)
}

const envelope =
  /^\{"result":\{"resultCode":"[A-Z_]+","resultStatus":"([SFU])","resultMessage":"[^"\\]*"\}\}$/

/** Judges whole answers. Those of one second are mostly the same bytes, so each text is verified once. */
function createJudge(plan: {
  plainAnswers: boolean
  answerKey: string | null
  uri: string
}): (text: string) => Outcome {
  const known = new Map<string, Outcome>()
  const publicKey = plan.answerKey === null ? null : createPublicKey(plan.answerKey)

  function judge(text: string): Outcome {
    const headEnd = text.indexOf('\r\n\r\n')
    const body = text.slice(headEnd + 4)
    if (!text.startsWith('HTTP/1.1 200 ')) return 'malformed'
    if (plan.plainAnswers) return 'S'
    const letter = envelope.exec(body)?.[1]
    if (letter !== 'S' && letter !== 'F' && letter !== 'U') return 'malformed'
    if (publicKey === null) return letter
    const headers = Object.fromEntries(
      text
        .slice(0, headEnd)
        .split('\r\n')
        .slice(1)
        .map((line) => {
          const colon = line.indexOf(':')
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
        }),
    )
    // Refusals for overload may go out unsigned.
    if (headers['signature'] === undefined && letter === 'U') return letter
    const isSigned = verifyAnswer(
      { headers, body: Buffer.from(body, 'latin1') },
      { publicKey, uri: plan.uri },
    )
    return isSigned ? letter : 'badly signed'
  }

  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    if (known.size > 2_000) known.clear()
    const judged = judge(text)
    known.set(text, judged)
    return judged
  }
}
