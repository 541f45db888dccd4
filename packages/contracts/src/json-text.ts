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
  /** The members of the tree that have been met; none are listed where none matter. */
  met: string[]
  /** The member whose value comes next. */
  name: string
}

const tab = 0x09
const lineFeed = 0x0a
const carriageReturn = 0x0d
const blank = 0x20
const quote = 0x22
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * Walks a JSON text once, without recursion, in time that grows with its length alone: what is not in the tree is
 * only stepped over. The text must be one that `JSON.parse` accepts; below `maxDepth` nothing is looked at.
 */
export function inspectJson(text: string, options: { maxDepth: number; tree: MemberTree }): JsonShape {
  const levels: Level[] = []
  let level: Level | undefined
  let depth = 0
  let duplicate: string | null = null
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case openBrace:
      case openBracket: {
        const tree = level === undefined ? options.tree : below(level)
        level = { isObject: text.charCodeAt(at) === openBrace, tree, met: [], name: '' }
        levels.push(level)
        depth = Math.max(depth, levels.length)
        if (depth > options.maxDepth) return { depth, duplicate }
        break
      }
      case closeBrace:
      case closeBracket:
        levels.pop()
        level = levels.at(-1)
        break
      case quote: {
        const end = endOfString(text, at)
        if (level?.isObject && level.tree?.members !== undefined && isMemberName(text, end)) {
          level.name = nameFrom(text, at, end)
          if (Object.hasOwn(level.tree.members, level.name)) {
            if (!level.met.includes(level.name)) level.met.push(level.name)
            else duplicate ??= pathOf(levels)
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

/**
 * How deep a JSON text goes and how many members its objects have, in a walk that looks at nothing else. The text must
 * be one that `JSON.parse` accepts; past `maxDepth` it ends.
 */
export function measureJson(text: string, { maxDepth }: { maxDepth: number }) {
  let level = 0
  let depth = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at)
        break
      case colon:
        members += 1
        break
      case openBrace:
      case openBracket:
        level += 1
        depth = Math.max(depth, level)
        if (depth > maxDepth) return { depth, members }
        break
      case closeBrace:
      case closeBracket:
        level -= 1
        break
      default:
        break
    }
  }
  return { depth, members }
}

/** The members of all objects in a parsed value, which is not deep: fewer than its text has if one stands there twice. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const values: unknown[] = Array.isArray(value) ? value : Object.values(value)
  let count = Array.isArray(value) ? 0 : values.length
  for (const one of values) count += countMembers(one)
  return count
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
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end
}

/** Behind an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let before = at
  while (text.charCodeAt(before - 1) === backslash) before -= 1
  return (at - before) % 2 === 1
}

/** The name between two quotes, which is worth parsing only where it holds an escape. */
function nameFrom(text: string, start: number, end: number): string {
  const name = text.slice(start + 1, end)
  return name.includes('\\') ? String(JSON.parse(text.slice(start, end + 1))) : name
}

/** In JSON only a member's name is followed by a colon. */
function isMemberName(text: string, end: number): boolean {
  let at = end + 1
  for (;;) {
    const unit = text.charCodeAt(at)
    if (unit === colon) return true
    if (unit !== blank && unit !== lineFeed && unit !== carriageReturn && unit !== tab) return false
    at += 1
  }
}
