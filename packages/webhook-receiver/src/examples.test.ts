import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { openProgram } from './program.fixture.ts'
import { approved, changed, secret, secretOf, signed } from './signed-alert.fixture.ts'

const folder = join(import.meta.dirname, '..', 'examples')
const programs = [
  new URL('../examples/express.ts', import.meta.url),
  new URL('../examples/fastify.ts', import.meta.url),
  new URL('../examples/node.ts', import.meta.url),
].map((url) => ({ name: basename(url.pathname), file: fileURLToPath(url) }))

test.each(programs)(
  'the example $name takes what is genuine once, and refuses the rest',
  { timeout: 30_000 },
  async ({ file }) => {
    const environment = { WEBHOOK_SECRETS: `${secretOf(2)},${secret}`, PORT: '0', NODE_ENV: 'test' }
    await using receiver = await openProgram(file, environment)
    const nowMs = Date.now()
    const send = async (content: unknown, options: Parameters<typeof signed>[1] = {}) => {
      const { headers, body } = signed(content, { atMs: nowMs, ...options })
      const response = await fetch(`http://127.0.0.1:${receiver.port}/alerts`, {
        method: 'POST',
        headers,
        body,
      })
      return [response.status, await response.text()]
    }
    const alert = changed(3, ['TNG', 'é 店'])
    expect(await send(alert, { id: 'a-3' })).toEqual([204, ''])
    expect(await send(alert, { id: 'a-3' })).toEqual([204, ''])
    expect(await send(alert, { id: 'a-3', replay: true, secrets: [secretOf(2)] })).toEqual([204, ''])
    expect(await send(changed(1), { id: 'a-1' })).toEqual([204, ''])
    expect(await send(changed(2, ['TNG', 'GCASH']), { id: 'a-2' })).toEqual([204, ''])
    expect(await send({ type: 'of.tomorrow' }, { id: 'a-9' })).toEqual([204, ''])
    const challenge = { type: 'endpoint.challenge', data: { challenge: 'c-42' } }
    expect(await send(challenge, { id: 'c-1' })).toEqual([200, 'c-42'])

    const [forged, why] = await send(changed(4), { id: 'a-4', secrets: [secretOf(3)] })
    expect([forged, why]).toEqual([401, expect.stringContaining('No signature (v1) fits')])
    expect((await send(changed(4), { id: 'a-4', atMs: nowMs - 600_000 }))[0]).toBe(408)
    expect((await send('{', { id: 'a-5' }))[0]).toBe(422)
    expect((await send(`"${'x'.repeat(200_000)}"`))[0]).toBe(413)

    const told = changed(2, ['GCASH'])
    await vi.waitFor(() => expect(receiver.lines).toHaveLength(2))
    expect(receiver.lines.map((line): unknown => JSON.parse(line))).toEqual([
      {
        id: 'a-3',
        isLate: false,
        alert: { ...alert, data: { ...alert.data, events: [approved('TNG'), approved('é 店')] } },
      },
      { id: 'a-2', isLate: true, alert: told },
    ])
  },
)

test('an example is at most 40 lines, and each is tested', () => {
  expect(readdirSync(folder).toSorted()).toEqual(
    [...programs.map(({ name }) => name), 'sqlite-store.ts'].toSorted(),
  )
  const lengths = programs.map(({ file }) => readFileSync(file, 'utf8').split('\n').length - 1)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(40)
})
