import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tellReady } from './tell-ready.ts'

// All merchants' endpoints: whatever is posted to /<series>/… is counted and answered with 204, nothing is verified. One
// series hangs: its calls are not answered until the bench says so. Under /-/ it asks what came.
const hangs = 'hanging'
const keepAliveMs = 120_000

type Series = { calls: number; arrivals: Map<string, number> }

const all = new Map<string, Series>()
/** Calls that hang; null: nothing hangs. */
let held: ServerResponse[] | null = []

const server = createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 0 }, (request, response) => {
  const [, name = '', ...rest] = (request.url ?? '').split('/')
  if (name === '-') return tell(request, response, rest)
  request.resume()
  request.on('end', () => {
    take(name, String(request.headers['webhook-id']))
    if (name === hangs && held !== null) held.push(response)
    else response.writeHead(204).end()
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  tellReady('listening', { port: typeof address === 'object' ? address?.port : null })
})

function take(name: string, id: string): void {
  const series = all.get(name) ?? { calls: 0, arrivals: new Map() }
  all.set(name, series)
  series.calls += 1
  if (!series.arrivals.has(id)) series.arrivals.set(id, performance.timeOrigin + performance.now())
}

function tell({ method }: IncomingMessage, response: ServerResponse, [what, name]: string[]): void {
  if (what === 'hanging') {
    for (const hanging of held ?? []) hanging.writeHead(204).end()
    held = null
  }
  if (method === 'DELETE') {
    all.clear()
    held = []
  }
  const counts = [...all].map(([of, { calls, arrivals }]) => [of, { calls, alerts: arrivals.size }])
  const told: unknown =
    what === 'arrivals' ? [...(all.get(name ?? '')?.arrivals ?? [])] : Object.fromEntries(counts)
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(told))
}
