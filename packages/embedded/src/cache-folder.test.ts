import { mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { cacheFolderOf, installOnce } from './cache-folder.ts'

test('the cache lies where XDG_CACHE_HOME says, else in .cache of the home folder', () => {
  expect(cacheFolderOf({ XDG_CACHE_HOME: '/caches' })).toBe('/caches/signalbox')
  expect(cacheFolderOf({ XDG_CACHE_HOME: '' })).toMatch(/\/\.cache\/signalbox$/u)
  expect(cacheFolderOf({})).toMatch(/\/\.cache\/signalbox$/u)
})

test('of several installations at once each succeeds and one remains, whole', async () => {
  const folder = await temporaryFolder()
  const target = join(folder, 'deep', 'installed')
  const allBuilding = Promise.withResolvers<void>()
  let building = 0
  const install = (name: string) =>
    installOnce(target, async (place) => {
      building += 1
      if (building === 3) allBuilding.resolve()
      await allBuilding.promise
      await writeFile(join(place, 'one'), name)
      await writeFile(join(place, 'two'), name)
    })

  await Promise.all(['a', 'b', 'c'].map(install))

  expect(await readdir(join(folder, 'deep'))).toEqual(['installed'])
  expect(await readFile(join(target, 'one'), 'utf8')).toBe(await readFile(join(target, 'two'), 'utf8'))
})

test('what is installed is not built again', async () => {
  const target = join(await temporaryFolder(), 'installed')
  let built = 0
  const install = () =>
    installOnce(target, async () => {
      built += 1
    })
  await install()
  await install()
  expect(built).toBe(1)
})

test('a failed installation says why, leaves nothing behind and can be repeated', async () => {
  const folder = await temporaryFolder()
  const target = join(folder, 'installed')
  const failing = installOnce(target, async (place) => {
    await writeFile(join(place, 'half'), '')
    throw new Error('no network')
  })
  await expect(failing).rejects.toThrow('no network')
  expect(await readdir(folder)).toEqual([])
  await installOnce(target, async () => {})
  expect(await readdir(folder)).toEqual(['installed'])
})

test('what an installation left that was cut short long ago is removed, one under way is left alone', async () => {
  const folder = await temporaryFolder()
  const yesterday = new Date(Date.now() - 24 * 60 * 60_000)
  await mkdir(join(folder, '.installed-old'))
  await utimes(join(folder, '.installed-old'), yesterday, yesterday)
  await mkdir(join(folder, '.installed-new'))
  await installOnce(join(folder, 'installed'), async () => {})
  expect((await readdir(folder)).toSorted()).toEqual(['.installed-new', 'installed'])
})

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
