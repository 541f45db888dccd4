import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { exists } from '../cache-folder.ts'
import { openSupervisor } from './supervisor.ts'

test('a program runs with its output in the log file, and its end is told', async () => {
  await using supervisor = await openSupervisor({ keptFolder: null, name: 'test' })
  const logFile = join(supervisor.folder, 'log')
  const command = { name: 'program', command: process.execPath, logFile }
  const first = await supervisor.start({ ...command, args: ['-e', 'console.log("out"); process.exit(3)'] })
  expect(await first.exited).toBe('exit code 3')
  const second = await supervisor.start({ ...command, args: ['-e', 'setInterval(() => {}, 1000)'] })
  process.kill(second.pid, 'SIGTERM')
  expect(await second.exited).toBe('signal SIGTERM')
  expect(await readFile(logFile, 'utf8')).toBe('out\n')
})

test('a program that cannot be run is refused', async () => {
  await using supervisor = await openSupervisor({ keptFolder: null, name: 'test' })
  const logFile = join(supervisor.folder, 'log')
  const start = supervisor.start({ name: 'program', command: '/no/such/program', args: [], logFile })
  await expect(start).rejects.toThrow('Cannot run program: spawn /no/such/program ENOENT')
})

test('closing kills what still runs, removes the temporary folder and allows no further start', async () => {
  const supervisor = await openSupervisor({ keptFolder: null, name: 'test' })
  const { folder } = supervisor
  const order = {
    name: 'program',
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1000)'],
    logFile: join(folder, 'log'),
  }
  const { exited } = await supervisor.start(order)
  await supervisor[Symbol.asyncDispose]()
  await supervisor[Symbol.asyncDispose]()
  expect(await exited).toMatch(/supervisor|SIGKILL/u)
  expect(await exists(folder)).toBe(false)
  await expect(supervisor.start(order)).rejects.toThrow('its supervisor has ended')
})

test('a given folder is made, kept, and used by one at a time', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  onTestFinished(() => rm(parent, { recursive: true, force: true }))
  const options = { keptFolder: join(parent, 'kept'), name: 'test' }
  {
    await using supervisor = await openSupervisor(options)
    expect(supervisor.folder).toBe(options.keptFolder)
    await expect(openSupervisor(options)).rejects.toThrow(`${options.keptFolder} is in use by process`)
  }
  expect(await readdir(options.keptFolder)).toEqual([])
})

test('a folder left by a supervisor that was killed is taken over', async () => {
  const keptFolder = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  onTestFinished(() => rm(keptFolder, { recursive: true, force: true }))
  const gone = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(gone, 'exit')
  await writeFile(join(keptFolder, 'in-use-by'), String(gone.pid))
  await using supervisor = await openSupervisor({ keptFolder, name: 'test' })
  expect(supervisor.folder).toBe(keptFolder)
})

test('a folder that cannot be made is refused', async () => {
  const file = fileURLToPath(import.meta.url)
  const opening = openSupervisor({ keptFolder: join(file, 'below-a-file'), name: 'test' })
  await expect(opening).rejects.toThrow('ENOTDIR')
})
