import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { changed, nowMs, secret, signed } from './signed-alert.fixture.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'package-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const program = `
import type { Alert } from '@signalbox/webhook-receiver/alert'
import { createAlertReceiver } from '@signalbox/webhook-receiver/receive-alert'
import { createMemorySeenStore } from '@signalbox/webhook-receiver/seen-store'

const now = () => ${nowMs}
const receiver = createAlertReceiver({ secrets: ['${secret}'], now, seen: createMemorySeenStore({ now }) })
const versions: number[] = []
const work = (alert: Alert) => {
  if (alert.type === 'registration.changed') versions.push(alert.data.version)
}
const { status } = await receiver.handle(${JSON.stringify(signed(changed(7)))}, work)
console.log(status, versions.join())
`

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] }).toString()
}

test('the package that receivers install runs as JavaScript, has types, and needs no other', {
  timeout: 120_000,
}, () => {
  const packArgs = ['run', '--silent', 'pack', '-w', '@signalbox/webhook-receiver', '--', folder]
  const tarball = run('npm', packArgs, root).trim()
  const installed = join(folder, 'node_modules', '@signalbox', 'webhook-receiver')
  mkdirSync(installed, { recursive: true })
  run('tar', ['-xzf', tarball, '--strip-components=1'], installed)
  expect(run('tar', ['-tzf', tarball], folder)).not.toMatch(/test|fixture|src/)

  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'program.ts'), program)
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    strict: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }))
  run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', folder], folder)
  expect(run(process.execPath, ['program.js'], folder)).toBe('204 7\n')
})
