/** What a JSON text has that `JSON.parse` does not tell. */
export type JsonShape = {
  /** The deepest nesting of objects and lists. */
  depth: number
  /** Members that stand twice in one object, as paths such as `pspRegistrationResultList[].pspName`. */
  duplicates: ReadonlySet<string>
}

type Level = { path: string; names: Set<string> | null; name: string }

/**
 * Walks a JSON text once, without recursion. The text must be one that `JSON.parse` accepts; deeper than
 * `maxDepth` the walk ends, because nothing below is looked at.
 */
export function inspectJson(text: string, options: { maxDepth: number }): JsonShape {
  const levels: Level[] = []
  const duplicates = new Set<string>()
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1)
    switch (text[at]) {
      case '{':
      case '[': {
        const names = text[at] === '{' ? new Set<string>() : null
        levels.push({ path: pathBelow(level), names, name: '' })
        depth = Math.max(depth, levels.length)
        if (depth > options.maxDepth) return { depth, duplicates }
        break
      }
      case '}':
      case ']':
        levels.pop()
        break
      case '"': {
        const end = endOfString(text, at)
        if (level?.names && isMemberName(text, end)) {
          level.name = String(JSON.parse(text.slice(at, end + 1)))
          if (level.names.has(level.name)) duplicates.add(pathBelow(level))
          level.names.add(level.name)
        }
        at = end
        break
      }
      default:
        break
    }
  }
  return { depth, duplicates }
}

function pathBelow(level: Level | undefined): string {
  if (level === undefined) return ''
  if (level.names === null) return `${level.path}[]`
  return level.path === '' ? level.name : `${level.path}.${level.name}`
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

/** In JSON only a member's name is followed by a colon. */
function isMemberName(text: string, end: number): boolean {
  let at = end + 1
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++
  return text[at] === ':'
}
