import { connect, type Socket } from 'node:net'
import { createAnswerJudge } from './judge-answer.ts'
import { type LoadPlan, type LoadRecord, loadPlan, type Outcome, outcomes } from './load-plan.ts'
import { readRequests } from './prepared-requests.ts'

// The load generator: a process of its own, so that what it costs is not in the figures of what it loads.
process.once('message', (message: unknown) => {
  void generate(message).then((record) => process.send?.(record, () => process.disconnect()))
})
process.on('disconnect', () => process.exit(0))

const none = Buffer.alloc(0)
/** Every socket reads into the same bytes, which costs less than new ones for every answer. */
const reading = Buffer.alloc(64 * 1024)

type Connection = {
  socket: Socket
  /** The request under way; -1: none. */
  request: number
  /** The beginning of an answer that came in pieces. */
  received: Buffer
  closed: boolean
}

async function generate(message: unknown): Promise<LoadRecord> {
  const plan = loadPlan.parse(message)
  const { pace } = plan
  const requests = await readRequests(plan.requestsFile)
  const judge = createAnswerJudge(plan)
  const rates = ratesOf(pace)
  const outcome: number[] = []
  const dueMs: number[] = []
  const sentMs: number[] = []
  const answeredMs: number[] = []
  const free: Connection[] = []
  const connections = new Set<Connection>()
  let connectionsOpened = 0
  let unsettled = 0
  /** In an open loop requests are sent in the order in which they fall due; this is the next. */
  let nextToSend = 0
  const startedAt = Date.now()
  const start = performance.now()
  const cpu = process.cpuUsage()
  const elapsed = () => performance.now() - start
  const isDue = () => elapsed() < plan.durationMs

  function fallsDue(atMs: number): number {
    dueMs.push(atMs)
    sentMs.push(Number.NaN)
    answeredMs.push(Number.NaN)
    unsettled += 1
    return outcome.push(0) - 1
  }

  function settle(request: number, result: Outcome): void {
    outcome[request] = outcomes.indexOf(result)
    answeredMs[request] = elapsed()
    unsettled -= 1
  }

  function settleRequestOf(connection: Connection, result: Outcome): void {
    const { request } = connection
    connection.request = -1
    if (request >= 0) settle(request, result)
  }

  function open(): Connection {
    const socket = connect({
      host: '127.0.0.1',
      port: plan.port,
      noDelay: true,
      onread: {
        buffer: reading,
        callback(size) {
          receive(connection, reading.subarray(0, size))
          return true
        },
      },
    })
    const connection: Connection = { socket, request: -1, received: none, closed: false }
    connections.add(connection)
    connectionsOpened += 1
    socket.on('error', () => undefined)
    socket.on('close', () => {
      connection.closed = true
      connections.delete(connection)
      settleRequestOf(connection, 'broken off')
      if (pace.kind === 'closed' && isDue()) next(open())
      else sendWaiting()
    })
    return connection
  }

  function send(connection: Connection, request: number): void {
    const bytes = requests[(plan.firstRequest + request) % requests.length]
    if (bytes === undefined) throw new Error('there are no requests to send')
    connection.request = request
    sentMs[request] = elapsed()
    connection.socket.write(bytes)
  }

  function receive(connection: Connection, chunk: Buffer): void {
    const bytes = connection.received.length === 0 ? chunk : Buffer.concat([connection.received, chunk])
    const answer = judge(bytes)
    if (answer === null) {
      connection.received = Buffer.from(bytes)
      return
    }
    connection.received = none
    settleRequestOf(connection, answer.outcome)
    if (answer.closes) connection.socket.end()
    else next(connection)
  }

  /** A connection is free. */
  function next(connection: Connection): void {
    if (pace.kind === 'closed') {
      if (isDue()) send(connection, fallsDue(elapsed()))
      return
    }
    free.push(connection)
    sendWaiting()
  }

  function takeConnection(): Connection | undefined {
    for (let taken = free.pop(); taken !== undefined; taken = free.pop()) if (!taken.closed) return taken
    return connections.size < pace.connections ? open() : undefined
  }

  function sendWaiting(): void {
    if (pace.kind === 'closed') return
    while (nextToSend < outcome.length) {
      const connection = takeConnection()
      if (connection === undefined) return
      send(connection, nextToSend)
      nextToSend += 1
    }
  }

  let rate = 0
  function letFallDue(nowMs: number): void {
    for (let current = rates[rate]; current !== undefined; current = rates[rate]) {
      const { fromMs, untilMs, perSecond } = current
      const spanMs = Math.min(nowMs, untilMs) - fromMs
      const due = current.firstRequest + Math.floor((spanMs / 1000) * perSecond)
      while (outcome.length < due) {
        fallsDue(fromMs + ((outcome.length - current.firstRequest) / perSecond) * 1000)
      }
      if (nowMs < untilMs || rate === rates.length - 1) return
      sendWaiting()
      for (; nextToSend < outcome.length; nextToSend++) settle(nextToSend, 'unsent')
      rate += 1
      const following = rates[rate]
      if (following !== undefined) following.firstRequest = outcome.length
    }
  }

  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  if (pace.kind === 'closed') for (let n = 0; n < pace.connections; n++) next(open())
  const clock = setInterval(() => {
    if (pace.kind === 'open') {
      letFallDue(Math.min(elapsed(), plan.durationMs))
      sendWaiting()
    }
    if (isDue()) return
    if (unsettled === 0 || elapsed() > plan.durationMs + plan.patienceMs) finish()
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
    sentMs: Float64Array.from(sentMs),
    answeredMs: Float64Array.from(answeredMs),
  }
}

/** The rates of an open loop, one after the other. */
function ratesOf(pace: LoadPlan['pace']) {
  if (pace.kind === 'closed') return []
  const steps =
    typeof pace.perSecond === 'number' ? [{ fromMs: 0, perSecond: pace.perSecond }] : pace.perSecond
  return steps.map((step, n) => ({
    ...step,
    untilMs: steps[n + 1]?.fromMs ?? Number.POSITIVE_INFINITY,
    firstRequest: 0,
  }))
}
