import fc from 'fast-check'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** How many random logs every property of the rules of state is checked on. */
    propertyLogs: number
  }
}

// For tests only: checks many properties on the same random logs, because making them is what takes the time.

/** How many random logs every property is checked on. */
export const logs = inject('propertyLogs')

/** What is said of every log; the answer is a complaint, or null when it holds. */
export type Property<Item, Studied> = {
  name: string
  complaint(studied: Studied, log: readonly Item[]): string | null
}

export type Findings = { logs: number; broken: ReadonlyMap<string, string> }

/**
 * Checks the properties on as many logs. Each log is a function of one seed, which is told with the smallest log
 * that still breaks the property.
 */
export function check<Item, Studied>({
  logs,
  logOf,
  study,
  properties,
}: {
  logs: number
  logOf: (seed: number) => readonly Item[]
  /** What the properties have in common, worked out once for each log; it throws on a log that breaks them all. */
  study: (log: readonly Item[], seed: number) => Studied
  properties: readonly Property<Item, Studied>[]
}): Findings {
  const broken = new Map<string, string>()
  const complaintsOf = (log: readonly Item[], seed: number, asked: readonly Property<Item, Studied>[]) => {
    let studied: Studied
    try {
      studied = study(log, seed)
    } catch (error) {
      return asked.map(({ name }) => ({ name, complaint: `throws ${String(error)}` }))
    }
    return asked.map((property) => ({ name: property.name, complaint: complaintOf(property, studied, log) }))
  }
  const look = (seed: number) => {
    const log = logOf(seed)
    const asked = properties.filter(({ name }) => !broken.has(name))
    for (const { name, complaint } of complaintsOf(log, seed, asked)) {
      if (complaint === null) continue
      const property = properties.filter((one) => one.name === name)
      const breaks = (part: readonly Item[]) =>
        complaintsOf(part, seed, property).some((one) => one.complaint !== null)
      const smallest = shrunk(log, breaks)
      const why = complaintsOf(smallest, seed, property)[0]?.complaint ?? complaint
      broken.set(name, [`seed ${seed}: ${why}`, ...smallest.map((item) => JSON.stringify(item))].join('\n'))
    }
    return true
  }
  fc.assert(fc.property(fc.noBias(fc.integer()), look), { numRuns: logs })
  return { logs, broken }
}

function complaintOf<Item, Studied>(
  property: Property<Item, Studied>,
  studied: Studied,
  log: readonly Item[],
): string | null {
  try {
    return property.complaint(studied, log)
  } catch (error) {
    return `throws ${String(error)}`
  }
}

/** Leaves out one item after the other as long as the property is still broken. */
function shrunk<Item>(log: readonly Item[], breaks: (part: readonly Item[]) => boolean): readonly Item[] {
  const leftOut = log.findIndex((_, index) => breaks(log.toSpliced(index, 1)))
  return leftOut === -1 ? log : shrunk(log.toSpliced(leftOut, 1), breaks)
}

/** Equal in all that JSON can hold, whatever the order of members. */
export function isEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const members = Object.entries(left)
  const others = new Map<string, unknown>(Object.entries(right))
  return (
    members.length === others.size &&
    members.every(([name, value]) => others.has(name) && isEqual(value, others.get(name)))
  )
}
