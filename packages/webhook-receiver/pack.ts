// Makes the package that receivers install, in JavaScript with types, and prints the path of its tarball:
//   npm run pack -w @signalbox/webhook-receiver -- FOLDER
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { argv, stdout } from 'node:process'
import manifest from './package.json' with { type: 'json' }

const source = import.meta.dirname
const folder = resolve(argv[2] ?? '.')
const content = mkdtempSync(join(tmpdir(), 'webhook-receiver-'))
const run = (command: string, ...args: string[]) => execFileSync(command, args, { cwd: source }).toString()

run('tsc', '-p', 'tsconfig.package.json', '--outDir', join(content, 'dist'))
const { name, version, description, license, type } = manifest
const exports = Object.entries(manifest.exports).map(([path, file]) => {
  const module = `./dist/${basename(file, '.ts')}`
  return [path, { types: `${module}.d.ts`, default: `${module}.js` }] as const
})
const engines = { node: '>=20' }
const published = { name, version, description, license, type, engines, exports: Object.fromEntries(exports) }
writeFileSync(join(content, 'package.json'), JSON.stringify(published, null, 2))
copyFileSync(join(source, '..', '..', 'LICENSE'), join(content, 'LICENSE'))
mkdirSync(folder, { recursive: true })
const tarball = run('npm', 'pack', content, '--silent', '--pack-destination', folder).trim()
rmSync(content, { recursive: true })
stdout.write(`${join(folder, tarball)}\n`)
