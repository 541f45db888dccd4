import { parseArgs } from 'node:util'
import { describeFailure, StartProblem } from './start-problem.ts'
import { z } from 'zod'

/** One thing that the program can do; `run` gives the exit code. */
export type Verb = {
  /** One word or two: `verify`, `keys show`. */
  name: string
  about: string
  help(program: string): string
  run(args: readonly string[]): Promise<number>
}

/**
 * A verb whose options are a zod object: the member `sinkUrl` is the option `--sink-url`, its description is
 * its help, and `value` of its meta names the argument; an option without that is a switch. A member whose meta says
 * `positional` is given without its name, in the order of the members. `more` stands at the end of the help:
 * variables that are read, what the exit codes mean.
 */
export function createVerb<S extends z.ZodRawShape>(verb: {
  name: string
  about: string
  more?: string
  options: z.ZodObject<S>
  run(options: z.output<z.ZodObject<S>>): Promise<number>
}): Verb {
  const options = Object.entries<unknown>(verb.options.shape).map(([member, schema]) =>
    optionOf(member, schema),
  )
  return {
    name: verb.name,
    about: verb.about,
    help: (program) =>
      [
        `${program} ${verb.name} ${options.map(({ usage, required }) => (required ? usage : `[${usage}]`)).join(' ')}`,
        '',
        verb.about,
        '',
        ...options.map(({ usage, about }) => `  ${usage.padEnd(24)}  ${about}`),
        ...(verb.more === undefined ? [] : ['', verb.more]),
      ].join('\n'),
    run: (args) => verb.run(parseOptions({ verb: verb.name, schema: verb.options, options, args })),
  }
}

/** Runs the verb that the arguments name; whatever goes wrong is one readable message and exit code 1. */
export async function runCommandLine(
  program: string,
  verbs: readonly Verb[],
  args: readonly string[],
): Promise<number> {
  const verb = verbs.find((candidate) => wordsOf(candidate).every((word, index) => word === args[index]))
  if (verb !== undefined && wantsHelp(args)) return print(verb.help(program))
  // Of `keys` alone, the verbs that begin with it are what can be meant.
  const group = verbs.filter((candidate) => wordsOf(candidate)[0] === args[0])
  const meant = group.length > 0 ? group : verbs
  if (verb === undefined && wantsHelp(args)) return print(overview(program, meant))
  try {
    if (verb === undefined)
      throw new StartProblem(`${noSuchVerb(args, group)}\n\n${overview(program, meant)}`)
    return await verb.run(args.slice(wordsOf(verb).length))
  } catch (problem) {
    process.stderr.write(`${describeFailure(problem)}\n`)
    return 1
  }
}

type Option = ReturnType<typeof optionOf>

const optionMeta = z.object({
  description: z.string(),
  value: z.string().optional(),
  positional: z.boolean().default(false),
})

function optionOf(member: string, schema: unknown) {
  if (!(schema instanceof z.ZodType)) throw new TypeError(`${member} is no zod schema`)
  const { description, value, positional } = optionMeta.parse(schema.meta())
  const name = member.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const standard = schema.safeParse(undefined)
  const shown = standard.success && value !== undefined && standard.data !== undefined
  return {
    member,
    name,
    type: value === undefined ? ('boolean' as const) : ('string' as const),
    positional,
    usage: usageOf(name, { value, positional }),
    required: !standard.success,
    about: shown ? `${description} (default ${String(standard.data)})` : description,
  }
}

function usageOf(name: string, { value, positional }: { value: string | undefined; positional: boolean }) {
  if (positional) return value ?? name.toUpperCase()
  return value === undefined ? `--${name}` : `--${name} ${value}`
}

function parseOptions<S extends z.ZodRawShape>(request: {
  verb: string
  schema: z.ZodObject<S>
  options: readonly Option[]
  args: readonly string[]
}): z.output<z.ZodObject<S>> {
  const { verb, schema, options, args } = request
  const given = readArguments(verb, options, args)
  const parsed = schema.safeParse(
    Object.fromEntries(options.map(({ member, name }) => [member, given[name]])),
  )
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => {
    const option = options.find(({ member }) => member === issue.path[0])
    if (option === undefined) return issue.message
    const name = option.positional ? option.usage : `--${option.name}`
    return given[option.name] === undefined
      ? `${option.usage} is missing: ${option.about}`
      : `${name} does not fit: ${issue.message}. It is: ${option.about}`
  })
  throw new StartProblem(`${verb} cannot run:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
}

function readArguments(verb: string, options: readonly Option[], args: readonly string[]) {
  try {
    const places = options.filter(({ positional }) => positional)
    const config = Object.fromEntries(
      options.filter(({ positional }) => !positional).map(({ name, type }) => [name, { type }]),
    )
    const allowPositionals = places.length > 0
    const { values, positionals } = parseArgs({
      args: [...args],
      options: config,
      strict: true,
      allowPositionals,
    })
    const extra = positionals[places.length]
    if (extra !== undefined) throw new Error(`it does not take "${extra}".`)
    return {
      ...values,
      ...Object.fromEntries(positionals.map((given, index) => [places[index]?.name ?? '', given])),
    }
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new StartProblem(`${verb} cannot run: ${problem}\nSee ${verb} --help.`)
  }
}

function wordsOf({ name }: Verb): string[] {
  return name.split(' ')
}

function noSuchVerb(args: readonly string[], group: readonly Verb[]): string {
  const firstOption = args.findIndex((arg) => arg.startsWith('-'))
  const given = firstOption < 0 ? args : args.slice(0, firstOption)
  const words = given.slice(0, group.length > 0 ? 2 : 1)
  if (words.length === 0) return 'No verb is given.'
  if (group.length > 0 && words.length === 1) return `"${words[0]}" needs a second word.`
  return `There is no verb "${words.join(' ')}".`
}

function wantsHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h')
}

function overview(program: string, verbs: readonly Verb[]): string {
  const width = Math.max(...verbs.map(({ name }) => name.length))
  const lines = verbs.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`)
  return [
    `${program} <verb> [options]`,
    '',
    ...lines,
    '',
    `Options of a verb: ${program} <verb> --help`,
  ].join('\n')
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
