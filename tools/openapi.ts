// Writes docs/openapi.json from the schemas of the API of endpoints and of alerts.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openapiText } from './openapi-document.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'openapi.json'), openapiText())
process.stdout.write('Wrote docs/openapi.json\n')
