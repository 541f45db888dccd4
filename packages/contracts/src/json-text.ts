/** The members that matter in a document, as a tree shaped like it; all items of a list share one description. */
export type MemberTree = { members?: Readonly<Record<string, MemberTree>>; items?: MemberTree }

/** What a JSON text has that `JSON.parse` does not tell. */
export type JsonShape = {
  /** The deepest nesting of objects and lists. */
  depth: number
  /** The first member of the tree that stands twice in one object, such as `list[].name`; null: none does. */
  duplicate: string | null
}

type Level = {
  isObject: boolean
  /** What matters here; undefined: nothing, and nothing below. */
  tree: MemberTree | undefined
  /** The members of the tree that have been met. */
  met: Set<string>
  /** The member whose value comes next. */
  name: string
}

/**
 * Walks a JSON text once, without recursion, in time that grows with its length alone: what is not in the tree is
 * only stepped over. The text must be one that `JSON.parse` accepts; below `maxDepth` nothing is looked at.
 */
export function inspectJson(text: string, options: { maxDepth: number; tree: MemberTree }): JsonShape {
  const levels: Level[] = []
  let depth = 0
  let duplicate: string | null = null
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[': {
        const level = levels.at(-1)
        const tree = level === undefined ? options.tree : below(level)
        levels.push({ isObject: text[at] === '{', tree, met: new Set(), name: '' })
        depth = Math.max(depth, levels.length)
        if (depth > options.maxDepth) return { depth, duplicate }
        break
      }
      case '}':
      case ']':
        levels.pop()
        break
      case '"': {
        const end = endOfString(text, at)
        const level = levels.at(-1)
        if (level?.isObject && level.tree?.members !== undefined && isMemberName(text, end)) {
          level.name = String(JSON.parse(text.slice(at, end + 1)))
          if (Object.hasOwn(level.tree.members, level.name)) {
            if (level.met.has(level.name)) duplicate ??= pathOf(levels)
            level.met.add(level.name)
          }
        }
        at = end
        break
      }
      default:
        break
    }
  }
  return { depth, duplicate }
}

function below({ isObject, tree, name }: Level): MemberTree | undefined {
  if (!isObject) return tree?.items
  return tree?.members !== undefined && Object.hasOwn(tree.members, name) ? tree.members[name] : undefined
}

function pathOf(levels: readonly Level[]): string {
  return levels
    .map(({ isObject, name }) => (isObject ? `.${name}` : '[]'))
    .join('')
    .replace(/^\./, '')
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
