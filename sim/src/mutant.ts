import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** A fault put into the production code on purpose. */
export type Mutant = { name: string; edits: readonly Edit[] }

/** In this file, named from the root of the repository, this text becomes that one. */
type Edit = { file: string; from: string; to: string }

const root = new URL('../../', import.meta.url)

/**
 * The sources of the files that a mutant changes, by their addresses.
 *
 * @throws when a text to replace does not stand in its file exactly once
 */
export function mutate({ name, edits }: Mutant): Map<string, string> {
  const sources = new Map<string, string>()
  for (const { file, from, to } of edits) {
    const address = new URL(file, root)
    const source = sources.get(address.href) ?? readFileSync(fileURLToPath(address), 'utf8')
    const [before, after, ...more] = source.split(from)
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`The mutant "${name}" does not fit: this must stand in ${file} exactly once:\n${from}`)
    }
    sources.set(address.href, `${before}${to}${after}`)
  }
  return sources
}

/** Lets this thread load the files of a mutant changed; to be called before it loads any of them. */
export function plant(mutant: Mutant): void {
  const sources = mutate(mutant)
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      const source = sources.get(url)
      return source === undefined ? loaded : { ...loaded, source }
    },
  })
}
