import type { Plan } from './plan.ts'

/**
 * The smallest part of a plan that still fails, as far as leaving out records and faults finds it (ddmin). `fails`
 * is asked `mostRuns` times at most.
 */
export async function shrink(
  plan: Plan,
  fails: (smaller: Plan) => Promise<boolean>,
  { mostRuns = 1_000 }: { mostRuns?: number } = {},
): Promise<Plan> {
  let runs = 0
  const stillFails = async (smaller: Plan) => (runs += 1) <= mostRuns && (await fails(smaller))

  async function without<T>(
    list: readonly T[],
    withList: (list: readonly T[]) => Plan,
  ): Promise<readonly T[]> {
    let kept = list
    for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let start = 0; start < kept.length; ) {
        const fewer = kept.toSpliced(start, size)
        if (await stillFails(withList(fewer))) kept = fewer
        else start += size
      }
    }
    return kept
  }

  let smallest = plan
  for (let before = Number.POSITIVE_INFINITY; sizeOf(smallest) < before; ) {
    before = sizeOf(smallest)
    const { ...base } = smallest
    const faults = await without(base.faults, (faults) => ({ ...base, faults }))
    const records = await without(base.records, (records) => ({ ...base, faults, records }))
    smallest = { ...base, faults, records }
  }
  return smallest
}

function sizeOf({ records, faults }: Plan): number {
  return records.length + faults.length
}
