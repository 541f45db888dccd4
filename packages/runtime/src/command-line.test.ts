import { afterEach, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { createVerb, runCommandLine } from './command-line.ts'

const runs: object[] = []
const verb = createVerb({
  name: 'wave',
  about: 'Waves at somebody.',
  options: z.object({
    sinkUrl: z.string().min(1).meta({ value: 'URL', description: 'whom to wave at' }),
    times: z.coerce.number().int().default(2).meta({ value: 'COUNT', description: 'how often' }),
    loudly: z.boolean().default(false).meta({ description: 'with a shout' }),
  }),
  async run(options) {
    runs.push(options)
    return 0
  },
})
const shout = createVerb({
  name: 'voice raise',
  about: 'Shouts.',
  more: 'Exit code 0 when it was heard.',
  options: z.object({ word: z.string().meta({ value: 'WORD', description: 'what to shout' }) }),
  async run(options) {
    runs.push(options)
    return 0
  },
})
const greet = createVerb({
  name: 'greet',
  about: 'Greets.',
  options: z.object({
    whom: z.string().meta({ positional: true, value: 'WHOM', description: 'whom to greet' }),
    from: z.string().optional().meta({ positional: true, value: 'FROM', description: 'in whose name' }),
    loudly: z.boolean().default(false).meta({ description: 'with a shout' }),
  }),
  async run(options) {
    runs.push(options)
    return 0
  },
})
const said = { stdout: '', stderr: '' }
vi.spyOn(process.stdout, 'write').mockImplementation((text) => Boolean((said.stdout += String(text))))
vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean((said.stderr += String(text))))
const wave = (...args: string[]) => runCommandLine('signal', [verb, shout, greet], args)

afterEach(() => {
  runs.length = 0
  Object.assign(said, { stdout: '', stderr: '' })
})

test('a verb gets its options with standards filled in', async () => {
  expect(await wave('wave', '--sink-url', 'x', '--loudly')).toBe(0)
  expect(runs).toEqual([{ sinkUrl: 'x', times: 2, loudly: true }])
})

test('help names every option, what it is and its standard', async () => {
  expect(await wave('wave', '--help')).toBe(0)
  expect(said.stdout).toContain('signal wave --sink-url URL [--times COUNT] [--loudly]')
  expect(said.stdout).toMatch(/--times COUNT +how often \(default 2\)/)
  expect(runs).toEqual([])
})

test('help without a verb lists the verbs', async () => {
  expect(await wave('--help')).toBe(0)
  expect(said.stdout).toMatch(/wave +Waves at somebody\./)
})

test('a verb of two words gets its options, and its help ends with what else there is to know', async () => {
  expect(await wave('voice', 'raise', '--word', 'ahoy')).toBe(0)
  expect(runs).toEqual([{ word: 'ahoy' }])
  expect(await wave('voice', 'raise', '--help')).toBe(0)
  expect(said.stdout).toContain('signal voice raise --word WORD')
  expect(said.stdout).toContain('what to shout\n\nExit code 0 when it was heard.\n')
})

test('help of the first word alone lists the verbs that begin with it, and no others', async () => {
  expect(await wave('voice', '--help')).toBe(0)
  expect(said.stdout).toMatch(/voice raise {2}Shouts\./)
  expect(said.stdout).not.toContain('Waves at somebody.')
})

test.each([
  [['wave', '--sink-url', 'x', '--tmies', '3'], "Unknown option '--tmies'"],
  [['wave'], '--sink-url URL is missing: whom to wave at'],
  [['wave', '--sink-url', 'x', '--times', 'often'], '--times does not fit'],
  [['wave', '--sink-url', 'x', 'left'], 'left'],
  [['hail'], 'There is no verb "hail".'],
  [['hail', 'raise'], 'There is no verb "hail".'],
  [['voice'], '"voice" needs a second word.'],
  [['voice', '--word', 'x'], '"voice" needs a second word.'],
  [['voice', 'lower'], 'There is no verb "voice lower".'],
  [[], 'No verb is given.'],
])('%j is refused with exit code 1 and a reason', async (args, reason) => {
  expect(await wave(...args)).toBe(1)
  expect(said.stderr).toContain(reason)
  expect(runs).toEqual([])
})

test('arguments without a name go to the positional members in their order', async () => {
  expect(await wave('greet', 'Ada', '--loudly', 'Bob')).toBe(0)
  expect(await wave('greet', 'Ada')).toBe(0)
  expect(runs).toEqual([
    { whom: 'Ada', from: 'Bob', loudly: true },
    { whom: 'Ada', loudly: false },
  ])
  expect(await wave('greet', '--help')).toBe(0)
  expect(said.stdout).toContain('signal greet WHOM [FROM] [--loudly]')
})

test.each([
  { args: ['greet'], problem: 'WHOM is missing: whom to greet' },
  { args: ['greet', 'Ada', 'Bob', 'Cid'], problem: 'does not take "Cid"' },
  { args: ['wave', 'Ada', '--sink-url', 'x'], problem: 'Unexpected argument' },
])('$args is refused with what is wrong', async ({ args, problem }) => {
  expect(await wave(...args)).toBe(1)
  expect(said.stderr).toContain(problem)
  expect(runs).toEqual([])
})
