// Writes docs/configuration.md and .env.example from the schemas that the services parse their environment with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage, envExample } from './configuration-page.ts'

const root = join(import.meta.dirname, '..')
writeFileSync(join(root, 'docs', 'configuration.md'), configurationPage())
writeFileSync(join(root, '.env.example'), envExample())
process.stdout.write('Wrote docs/configuration.md and .env.example\n')
