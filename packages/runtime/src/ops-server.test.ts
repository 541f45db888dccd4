import { expect, test } from 'vitest'
import { createLogger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { type Check, openOpsServer } from './ops-server.ts'

const openServer = (check: () => Check) => {
  const metrics = createMetrics('test')
  metrics.counter({ name: 'things_total', help: 'Things.', labels: ['kind'] }).inc({ kind: 'a' })
  const log = createLogger('test', { level: 'silent' })
  return openOpsServer({ host: '127.0.0.1', port: 0, log, metrics, checks: { part: check } })
}

test('readiness is the checks, health is the process, metrics are its registry', async () => {
  let check: Check = { ok: true, detail: 'fine' }
  await using server = await openServer(() => check)
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`)

  expect((await get('/livez')).status).toBe(200)
  expect(await (await get('/readyz')).json()).toEqual({ ready: true, checks: { part: check } })
  check = { ok: false, detail: 'broker away' }
  expect((await get('/readyz')).status).toBe(503)
  expect((await get('/livez')).status).toBe(200)
  expect(await (await get('/metrics')).text()).toContain('things_total{kind="a",service="test"} 1')
  expect((await get('/other')).status).toBe(404)
})

test('a port in use is told with its variable and remedy', async () => {
  await using server = await openServer(() => ({ ok: true, detail: '' }))
  const log = createLogger('test', { level: 'silent' })
  const second = openOpsServer({
    host: '127.0.0.1',
    port: server.port,
    log,
    metrics: createMetrics('test'),
    checks: {},
  })
  await expect(second).rejects.toThrow(/Set OPS_PORT to a free port/)
})
