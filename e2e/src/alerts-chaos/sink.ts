// The merchants' endpoints of a run, all on one port: /<endpoint id>. Each call is written down, as a line of a file,
// when it is answered.
import { createHash, createHmac } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Call, sinkSettings } from './sink-contract.ts'
import { drawn } from './plan.ts'

const leastSlowMs = 50
const mostSlowMs = 300
/** Of the endpoints that fail or reset at first: so many of their alerts, few enough that no breaker opens. */
const firstTroubled = 0.2

const settings = sinkSettings.parse(JSON.parse(process.argv[2] ?? ''))
const key = Buffer.from(settings.secret, 'base64')
const manners = new Map(settings.endpoints.map(({ id, manner }) => [id, manner]))
const troubled = new Set<string>()

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const arrivedMs = Date.now()
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => take({ request, response, body: Buffer.concat(chunks), arrivedMs }))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : null
  process.stdout.write(`${JSON.stringify({ msg: 'sink.listening', port })}\n`)
})

type Taken = { request: IncomingMessage; response: ServerResponse; body: Buffer; arrivedMs: number }

function take({ request, response, body, arrivedMs }: Taken): void {
  const endpointId = (request.url ?? '').slice(1)
  const alertId = String(request.headers['webhook-id'])
  const call = {
    alertId,
    endpointId,
    arrivedMs,
    isVerified: isSigned(request, body),
    bodySha256: createHash('sha256').update(body).digest('hex'),
  }
  const end = (status: number | null) => {
    write({ ...call, answeredMs: Date.now(), status, isHungUp: response.destroyed })
    if (status === null) request.socket.resetAndDestroy()
    else response.writeHead(status).end()
  }
  const manner = manners.get(endpointId) ?? 'quick'
  if (manner === 'slow') {
    const share = drawn(settings.seed, `slow ${alertId} ${arrivedMs}`)
    setTimeout(() => end(204), leastSlowMs + share * (mostSlowMs - leastSlowMs))
    return
  }
  if (manner === 'quick' || troubled.has(alertId)) return end(204)
  if (drawn(settings.seed, `first ${alertId}`) >= firstTroubled) return end(204)
  troubled.add(alertId)
  end(manner === 'fails first' ? 500 : null)
}

function isSigned({ headers }: IncomingMessage, body: Buffer): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`
  const expected = createHmac('sha256', key).update(signed).update(body).digest('base64')
  return String(headers['webhook-signature']).split(' ').includes(`v1,${expected}`)
}

/** At once, so that a line is there before its answer. */
function write(call: Call): void {
  appendFileSync(settings.file, `${JSON.stringify(call)}\n`)
}
