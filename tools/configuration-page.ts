import { z } from 'zod'
import { alertsEnv } from '../services/alerts/src/config.ts'
import { consoleEnv } from '../services/console/src/config.ts'
import { ingressEnv } from '../services/ingress/src/config.ts'
import { processorEnv } from '../services/processor/src/config.ts'

/** The schema that each service parses its environment with. */
const environments = {
  ingress: ingressEnv,
  processor: processorEnv,
  alerts: alertsEnv,
  console: consoleEnv,
}

type Variable = {
  name: string
  meaning: string
  /** By service, the default, or null where the variable must or may be set and has none. */
  standards: Map<string, string | null>
  required: boolean
}

/** Every variable of every service once, in the order in which the services declare them. */
export function variables(): Variable[] {
  const found = new Map<string, Variable>()
  for (const [service, schema] of Object.entries(environments)) {
    for (const [name, field] of Object.entries<z.ZodType>(schema.shape)) {
      const { description, default: standard } = describe(field)
      const required = !field.safeParse(undefined).success
      const variable = found.get(name) ?? { name, meaning: description ?? '', standards: new Map(), required }
      variable.standards.set(service, standard === undefined ? null : String(standard))
      found.set(name, variable)
    }
  }
  return [...found.values()]
}

const described = z.object({
  description: z.string().optional(),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
})

function describe(field: z.ZodType) {
  return described.parse(z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' }))
}

/** The Markdown page with one row a variable. */
export function configurationPage(): string {
  const rows = variables().map(
    (variable) =>
      `| \`${variable.name}\` | ${[...variable.standards.keys()].join(', ')} | ${standardOf(variable)} | ${variable.meaning} |`,
  )
  return `# Configuration

Every service reads its configuration from environment variables, once, at start, and ends with one readable message
and exit code 1 when something is missing, wrong or misspelled. Secrets come from files that a variable names.
This page is made by \`npm run configuration\` from the schemas in \`services/*/src/config.ts\`.

| variable | read by | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

/** All variables with their defaults, commented out where a default exists. */
export function envExample(): string {
  const entries = variables().map((variable) => {
    const [standard] = [...variable.standards.values()]
    // A port that differs by service must not be set for all of them at once.
    const line = variable.required ? `${variable.name}=` : `# ${variable.name}=${standard ?? ''}`
    return `# ${variable.meaning} (${[...variable.standards.keys()].join(', ')})\n${line}\n`
  })
  return `# Variables of the services, for \`npm start\`: copy to .env and fill in. Made by \`npm run configuration\`.\n\n${entries.join('\n')}`
}

function standardOf({ required, standards }: Variable): string {
  if (required) return '(required)'
  const values = new Set(standards.values())
  if (values.size > 1) return [...standards].map(([service, value]) => `\`${value}\` (${service})`).join(', ')
  const [value] = [...values]
  return value === null || value === undefined ? '(none)' : `\`${value}\``
}
