import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test, vi } from 'vitest'

const exitCodeOf = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })

const main = join(import.meta.dirname, '..', 'demo', 'main.ts')

test('the demo balances, shows a verified alert and ends with 0', async () => {
  const demo = spawn(process.execPath, [main, '--notifications', '120', '--seed', '3'])
  const output = text(demo.stdout)
  const code = await exitCodeOf(demo)
  expect(await output).toContain('Everything adds up')
  expect(await output).toContain('signature verified')
  expect(await output).toMatch(/processor killed \(SIGKILL\)/)
  expect(await output).toMatch(/lost 0, doubled 0/)
  expect(code).toBe(0)
})

test('Ctrl-C on a demo that was kept ends everything it started', async () => {
  const demo = spawn(process.execPath, [main, '--notifications', '20', '--keep'])
  let output = ''
  demo.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8')
  })
  try {
    await vi.waitFor(() => expect(output).toContain('Still running'), { timeout: 120_000, interval: 100 })
    const ingress = /^ {2}ingress +(http\S+)/m.exec(output)?.[1] ?? ''
    const folder = /^ {2}files +(\S+)/m.exec(output)?.[1] ?? ''
    expect((await fetch(ingress)).status).toBe(200)
    expect(existsSync(folder)).toBe(true)

    demo.kill('SIGINT')
    const code = await exitCodeOf(demo)
    expect(code).toBe(130)
    await expect(fetch(ingress)).rejects.toThrow()
    expect(existsSync(folder)).toBe(false)
  } finally {
    demo.kill('SIGKILL')
  }
})

test('an unknown option is answered with the help and exit code 1', async () => {
  const demo = spawn(process.execPath, [main, '--fast'])
  const output = text(demo.stdout)
  const code = await exitCodeOf(demo)
  expect(code).toBe(1)
  expect(await output).toContain('--notifications')
})
