import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'seen-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('an alert whose receiver was killed at work is worked on at a retry, and once', {
  timeout: 60_000,
}, () => {
  const file = join(folder, 'seen.sqlite')
  const deliver = (seconds: number, how: 'killed' | 'works') => {
    const program = fileURLToPath(new URL('killed-at-work.fixture.ts', import.meta.url))
    const { stdout, signal } = spawnSync(process.execPath, [program, file, String(seconds), how])
    return signal ?? stdout.toString()
  }
  expect(deliver(0, 'killed')).toBe('SIGKILL')
  // Whoever has the claim might still work.
  expect(deliver(5, 'works')).toBe('409 busy')
  expect(deliver(305, 'works')).toBe('204 alert')
  expect(deliver(310, 'works')).toBe('204 repeat')
})
