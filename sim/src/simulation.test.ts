import { expect, test } from 'vitest'
import { faultKinds } from './fault-kinds.ts'
import { mutate } from './mutant.ts'
import { harmless, mutants } from './mutants.ts'
import { planOf } from './plan.ts'
import { runPlan } from './run-plan.ts'
import { runSeeds } from './run-seeds.ts'
import { shrink } from './shrink.ts'

const timeout = 240_000

test(
  'whatever crashes, stalls, comes late or is lost, all is as the raw log says',
  async () => {
    const { seeds, failures, counts } = await runSeeds({ first: 1, count: 2_000 })
    expect(failures).toEqual([])
    expect(seeds).toBe(2_000)
    expect(faultKinds.filter((kind) => !counts.has(kind))).toEqual([])
  },
  timeout,
)

test('the same seed is the same run, step by step', async () => {
  const [first, second] = [await traceOf(77), await traceOf(77)]
  expect(first.length).toBeGreaterThan(100)
  expect(second).toEqual(first)
  expect(await traceOf(78)).not.toEqual(first)
})

test(
  'a fault that is put into the production code is found, and the seed that found it is told',
  async () => {
    const mutant = mutants.find(({ name }) => name === 'view before publish')
    if (mutant === undefined) throw new Error('there is no such mutant')
    const { failures } = await runSeeds({ first: 1, count: 500, mutant, stopAtFailure: true })
    expect(failures[0]?.problems[0]).toMatch(/partition/)
  },
  timeout,
)

test('every mutant fits the code that it is made for', () => {
  for (const mutant of [...mutants, ...harmless]) expect(mutate(mutant).size).toBeGreaterThan(0)
})

test.each([
  ['stands nowhere', 'no such text'],
  ['stands twice', 'const '],
])('a mutant whose text %s is an error', (_, from) => {
  const edits = [{ file: 'sim/src/mutant.ts', from, to: '' }]
  expect(() => mutate({ name: 'wrong', edits })).toThrow('does not fit')
})

test('a failing plan shrinks to the records and faults that it fails by', async () => {
  const plan = planOf(12)
  const needed = { record: plan.records[3], fault: plan.faults.at(-1) }
  const smallest = await shrink(plan, async ({ records, faults }) =>
    Boolean(
      needed.record && needed.fault && records.includes(needed.record) && faults.includes(needed.fault),
    ),
  )
  expect(smallest.records).toEqual([needed.record])
  expect(smallest.faults).toEqual([needed.fault])
})

async function traceOf(seed: number): Promise<string[]> {
  const lines: string[] = []
  await runPlan(planOf(seed), (line) => lines.push(line))
  return lines
}
