import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { quarantinePage } from './quarantine-page.ts'

test('docs/quarantine.md is what `npm run configuration` writes', () => {
  const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'quarantine.md'), 'utf8')
  expect(page).toBe(quarantinePage())
})

test('no text breaks out of its cell of the table', () => {
  const rows = quarantinePage()
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  expect(rows.length).toBeGreaterThan(15)
  expect(rows.filter((row) => row.split('|').length !== 6)).toEqual([])
})
