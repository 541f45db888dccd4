import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

/** Runs a program that uses stop.ts as a service does; signals come when it has printed `ready`. */
async function run(program: string, signal?: NodeJS.Signals) {
  const source = `
    import { stopSignal, untilStopped } from ${JSON.stringify(join(import.meta.dirname, 'stop.ts'))}
    import { StartProblem } from ${JSON.stringify(join(import.meta.dirname, 'start-problem.ts'))}
    const stop = stopSignal({ service: 'test', deadlineMs: 1_000 })
    ${program}`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', source])
  const errors = text(child.stderr)
  if (signal) child.stdout.once('data', () => child.kill(signal))
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve)
  })
  return { code, errors: await errors }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s closes what was opened and ends with 0', async (signal) => {
  const { code, errors } = await run(
    `const alive = setInterval(() => {}, 1000)
     await using part = {
       async [Symbol.asyncDispose]() { clearInterval(alive); process.stderr.write('closed') }
     }
     console.log('ready')
     await untilStopped(stop)`,
    signal,
  )
  expect({ code, errors }).toEqual({ code: 0, errors: 'closed' })
})

test('a part that does not close in time is not waited for', async () => {
  const { code, errors } = await run(
    `setInterval(() => {}, 1000); console.log('ready'); await untilStopped(stop)`,
    'SIGTERM',
  )
  expect(code).toBe(1)
  expect(errors).toContain('test did not stop within 1000 ms')
})

test('a start problem is one message without a stack, and exit code 1', async () => {
  const { code, errors } = await run(`throw new StartProblem('CLIENTS_FILE is missing: set it.')`)
  expect({ code, errors }).toEqual({ code: 1, errors: 'CLIENTS_FILE is missing: set it.\n' })
})

test('a programming mistake keeps its stack', async () => {
  const { code, errors } = await run(`undefined.x`)
  expect(code).toBe(1)
  expect(errors).toMatch(/TypeError.*\n\s+at /)
})

test('a part that fails ends the process, and the rest is closed first', async () => {
  const { code, errors } = await run(
    `await using part = { async [Symbol.asyncDispose]() { process.stderr.write('closed\\n') } }
     await untilStopped(stop, [Promise.resolve(new Error('the consumer crashed'))])`,
  )
  expect({ code, errors }).toEqual({ code: 1, errors: 'closed\nthe consumer crashed\n' })
})
