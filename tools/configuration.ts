// Writes docs/configuration.md and .env.example from the schemas that the services parse their environment with, and
// docs/quarantine.md from the closed list of reasons.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage, envExample } from './configuration-page.ts'
import { quarantinePage } from './quarantine-page.ts'

const root = join(import.meta.dirname, '..')
writeFileSync(join(root, 'docs', 'configuration.md'), configurationPage())
writeFileSync(join(root, '.env.example'), envExample())
writeFileSync(join(root, 'docs', 'quarantine.md'), quarantinePage())
process.stdout.write('Wrote docs/configuration.md, .env.example and docs/quarantine.md\n')
