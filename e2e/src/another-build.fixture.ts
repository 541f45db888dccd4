import { registerHooks } from 'node:module'

/** A piece of a source file, by the end of its path, and what another build has there. */
export type SourceChange = { file: string; from: string; to: string }

/** Makes this process another build: the sources that it loads from now on differ in these pieces. */
export function loadAnotherBuild(changes: readonly SourceChange[]): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const change = changes.find(({ file }) => url.endsWith(file))
      if (change === undefined) return loaded
      const { source = '' } = loaded
      const text = typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined)
      if (!text.includes(change.from)) throw new Error(`${change.file} does not hold: ${change.from}`)
      return { ...loaded, source: text.replace(change.from, change.to) }
    },
  })
}
