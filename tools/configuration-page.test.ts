import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { distance } from 'fastest-levenshtein'
import { expect, test } from 'vitest'
import { configurationPage, envExample, variables } from './configuration-page.ts'

const file = (...parts: string[]) => readFileSync(join(import.meta.dirname, '..', ...parts), 'utf8')

test('docs/configuration.md and .env.example are what `npm run configuration` writes', () => {
  expect(file('docs', 'configuration.md')).toBe(configurationPage())
  expect(file('.env.example')).toBe(envExample())
})

test('every variable says what it is', () => {
  expect(variables().filter(({ meaning }) => meaning === '')).toEqual([])
})

test('no variable of one service looks like a misspelling of another, so that services can share an environment', () => {
  const names = variables().map(({ name }) => name)
  const close = names.flatMap((a) =>
    names.filter((b) => a < b && distance(a, b) <= 2).map((b) => `${a} ~ ${b}`),
  )
  expect(close).toEqual([])
})
