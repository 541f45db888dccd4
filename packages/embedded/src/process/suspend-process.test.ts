import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { suspendProcess } from './suspend-process.ts'

/** Keeps four threads busy, and says when each has begun. */
const program = `
  const { Worker } = require('node:worker_threads')
  const busy = "require('node:worker_threads').parentPort.postMessage('begun'); for (;;);"
  let begun = 0
  const tell = () => (begun += 1) === 4 && console.log('all have begun')
  for (let n = 0; n < 4; n += 1) new Worker(busy, { eval: true }).on('message', tell)`

test.skipIf(!existsSync('/proc/self/task'))('no thread of a suspended process runs on', async () => {
  const child = spawn(process.execPath, ['--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  for (let round = 0; round < 10; round += 1) {
    await suspendProcess(pid)
    const atOnce = processorTimes(pid)
    execFileSync('ps', ['-p', String(pid)]) // time in which a thread that runs would get on
    expect(processorTimes(pid)).toEqual(atOnce)
    child.kill('SIGCONT')
  }
})

test('a process that is not there need not be suspended', async () => {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  expect(child.pid).toBeDefined()
  await suspendProcess(child.pid ?? 0)
})

/** What each thread of the process has had, in nanoseconds. */
function processorTimes(pid: number): string[] {
  const folder = `/proc/${pid}/task`
  return readdirSync(folder).map(
    (thread) => readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0] ?? '',
  )
}
