import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '..')
const read = (...parts: string[]) => readFileSync(join(root, ...parts), 'utf8')
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(read('package.json')))

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'docs/configuration.md',
  'docs/quarantine.md',
  'docs/receive-alerts.md',
]

test.each(documents)('every file and folder that %s names is there', (document) => {
  const text = read(document)
  const named = [
    ...[...text.matchAll(/`((?:services|packages|e2e|bench|docs|tools)\/[\w./-]*\w)\/?`/g)].map(
      ([, path]) => path,
    ),
    ...[...text.matchAll(/^((?:services|packages|e2e|bench|docs)\/[\w-]*)\//gm)].map(([, path]) => path),
    ...[...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => join(dirname(document), path ?? '')),
  ]
  expect(named.filter((path) => !existsSync(join(root, path ?? '')))).toEqual([])
})

test('every service and package stands in the code map of ARCHITECTURE.md', () => {
  const map = read('ARCHITECTURE.md')
  const workspaces = [
    ...read('package-lock.json').matchAll(/^ {4}"((?:services|packages)\/[\w-]+)": \{/gm),
  ].map(([, path]) => path)
  expect(workspaces.length).toBeGreaterThan(10)
  expect(workspaces.filter((path) => !map.includes(`${path}/`))).toEqual([])
})

test.each(documents)('every npm script that %s names exists', (document) => {
  const named = [...read(document).matchAll(/npm (?:run )?(?:--[a-z]+ )*([a-z][a-z-]*)\b(?! -w)/g)].map(
    ([, script]) => script,
  )
  const ours = named.filter((script) => !['ci', 'install', 'run'].includes(script ?? ''))
  expect(ours.filter((script) => script !== undefined && !(script in scripts))).toEqual([])
})
