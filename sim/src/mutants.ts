import { StartProblem } from '@signalbox/runtime/start-problem'
import { type Mutant, mutate } from './mutant.ts'
import { planOf } from './plan.ts'
import { runPlan } from './run-plan.ts'
import { runSeeds } from './run-seeds.ts'

const worker = 'services/processor/src/partition-worker.ts'
const foldChunk = 'services/processor/src/fold-chunk.ts'
const fanOutStart = 'services/alerts/src/fan-out/fan-out-start.ts'

const publishChanges =
  '      await producer.publish([...folded.changes, ...folded.quarantined], { deadlineMs: publishDeadlineMs })\n'
const publishStates =
  '      const offsets = await producer.publish(folded.states, { deadlineMs: publishDeadlineMs })\n'
const afterSave =
  "      if (saved.kind === 'fenced') return { kind: 'reattach', why: 'another worker has written the view' }\n"

export const mutants: readonly Mutant[] = [
  {
    name: 'view before publish',
    edits: [
      { file: worker, from: publishChanges, to: '' },
      { file: worker, from: publishStates, to: '      const offsets: readonly bigint[] = []\n' },
      {
        file: worker,
        from: afterSave,
        to: `${afterSave}${publishChanges}${publishStates.replace('offsets', 'late')}`,
      },
    ],
  },
  {
    name: 'no fence: whatever watermark stands is taken for one of its own',
    edits: [
      {
        file: worker,
        from: '    const expected = view.watermark\n    try {\n',
        to: '    try {\n      const expected = (await store.readWatermark({ partition })) ?? view.watermark\n',
      },
    ],
  },
  {
    name: 'no rewind: the committed offset counts, not the watermark',
    edits: [
      {
        file: worker,
        from: "        return { kind: 'from', offset, because: decision.because }\n",
        to:
          '        { const view = views.get(partition)\n' +
          '        if (view === undefined || (position.committed ?? 0n) <= offset)\n' +
          "          return { kind: 'from', offset, because: decision.because }\n" +
          '        views.set(partition, { ...view, offset: position.committed - 1n })\n' +
          "        return { kind: 'from', offset: position.committed, because: decision.because } }\n",
      },
    ],
  },
  {
    name: 'no rebuild: the log is folded from its start into an empty view',
    edits: [
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const loaded = await load({ partition, marker })\n',
        to:
          "    const loaded = { kind: 'loaded', stateEnd: " +
          '(await reader.bounds({ topic: topics.state.name, partition })).end }\n',
      },
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const offset = (await secondFoldFrom(position)) - 1n\n',
        to: '    const offset = position.logStart - 1n\n',
      },
    ],
  },
  {
    name: 'no second fold',
    edits: [
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const offset = (await secondFoldFrom(position)) - 1n\n',
        to: '    const offset = (position.committed ?? position.logStart) - 1n\n',
      },
    ],
  },
  {
    name: 'fan-out from the group offset instead of its own watermark',
    edits: [
      {
        file: fanOutStart,
        from: "return { kind: 'from', offset: logStart, skipped: 0n }",
        to: "return { kind: 'from', offset: position.committed ?? logStart, skipped: 0n }",
      },
      {
        file: fanOutStart,
        from: "return { kind: 'from', offset: next, skipped: 0n }",
        to: "return { kind: 'from', offset: position.committed ?? next, skipped: 0n }",
      },
    ],
  },
  {
    name: 'state before changes',
    edits: [
      { file: worker, from: publishChanges, to: '' },
      { file: worker, from: publishStates, to: `${publishStates}${publishChanges}` },
    ],
  },
  {
    name: 'registrations and watermark read separately',
    edits: [
      {
        file: worker,
        from: '    const { watermark, countedThrough, registrations } = await store.load({\n',
        to:
          '    const { watermark } = await store.load({ partition, registrations: [] })\n' +
          '    const { countedThrough, registrations } = await store.load({\n',
      },
    ],
  },
  {
    name: 'no auditor',
    edits: [
      {
        file: worker,
        from: '    const outcome = await auditRanges({ partition, view, audited: view.audited })\n',
        to: "    const outcome = { kind: 'audited', audited: view.audited }\n",
      },
    ],
  },
  {
    name: 'the last state record instead of the greatest',
    edits: [
      {
        file: 'services/processor/src/newest-states.ts',
        from: '      if (known !== undefined && isOlder(record, known)) {\n',
        to: '      if (known !== undefined && isOlder(record, known) && false) {\n',
      },
    ],
  },
  {
    name: 'attribution from state: the store of the registration that shares the round',
    edits: [
      {
        file: foldChunk,
        from: '  const { registration } = statement\n',
        to:
          '  const sharing = [...known].find(([, { registration }]) =>\n' +
          '    registration.registers.rounds.some(({ id }) => id === statement.round))\n' +
          '  const store = sharing?.[0].split("/")[2] || null\n' +
          '  const registration = statement.registration.referenceStoreId !== null\n' +
          '    ? statement.registration : { ...statement.registration, referenceStoreId: store }\n',
      },
    ],
  },
  {
    name: 'dedupe by a 1 h key: content that was seen is not folded',
    edits: [
      {
        file: foldChunk,
        from: '  const before = known.get(key) ?? null\n',
        to:
          '  const before = known.get(key) ?? null\n' +
          '  const seenAt = (topics.seenAt ??= new Map())\n' +
          '  const content = `${key} ${record.value}`\n' +
          '  const isSeen = Date.now() - (seenAt.get(content) ?? 0) < 3_600_000\n' +
          '  if (!isSeen) seenAt.set(content, Date.now())\n' +
          "  if (isSeen) return { outcome: 'repeated', key, registration, stored: before, change: null, state: null }\n",
      },
      {
        file: worker,
        from: '  const { clusterId, topics } = settings\n',
        to: '  settings = { ...settings, topics: { ...settings.topics } }\n  const { clusterId, topics } = settings\n',
      },
    ],
  },
  {
    name: 'last arrival wins',
    edits: [
      {
        file: 'packages/registration/src/sightings.ts',
        from: '  return mergeLists(known, said, { compare: compareStatuses, merge: mergeSeenStatus })\n',
        to: '  return said.length > 0 ? said : known\n',
      },
    ],
  },
  {
    name: 'highest time wins',
    edits: [
      {
        file: 'packages/registration/src/sightings.ts',
        from:
          '    left.finalEntries - right.finalEntries ||\n    left.entries - right.entries ||\n' +
          '    left.completed - right.completed ||\n',
        to: '',
      },
    ],
  },
  {
    name: 'PENDING overwrites a final of its round',
    edits: [
      {
        file: 'packages/registration/src/sightings.ts',
        from: '    finals: mergeSeen(known.finals, said.finals),\n',
        to: '    finals: said.finals.length === 0 ? [] : mergeSeen(known.finals, said.finals),\n',
      },
    ],
  },
  {
    name: 'list order in the hash',
    edits: [
      {
        file: 'packages/registration/src/statement.ts',
        from: '    entries.map((entry) => [entry.pspName, entry.productCode, entry.status, entry.rejectionReason]),\n',
        to: '    entries.map((entry) => [entry.pspName, entry.productCode, entry.status, entry.rejectionReason, entry.place]),\n',
      },
      {
        file: 'packages/registration/src/observation.ts',
        from: '    const said = entries.get(key) ?? mention\n',
        to: '    const said = entries.get(key) ?? { ...mention, place: entries.size }\n',
      },
    ],
  },
  {
    name: 'null is not absent',
    edits: [
      {
        file: 'packages/registration/src/observation.ts',
        from: "  return text === '' ? null : text\n",
        to: '  return text\n',
      },
    ],
  },
  {
    name: 'random job id',
    edits: [
      {
        file: 'packages/contracts/src/alert.ts',
        from: 'return `a-${digest.slice(0, 22)}`',
        to: 'return `a-${digest.slice(0, 11)}${Math.random().toString(36).slice(2, 13)}`',
      },
    ],
  },
  {
    name: 'watermark in a second script',
    edits: [
      {
        file: worker,
        from: '        next,\n        registrations,\n',
        to: '        next: expected,\n        registrations,\n',
      },
      {
        file: worker,
        from: afterSave,
        to:
          `${afterSave}      const moved = await store.save({ partition, expected, next, registrations: [], removed: [],\n` +
          '        attention: [], counted: null })\n' +
          "      if (moved.kind === 'fenced') return overtaken\n",
      },
    ],
  },
  {
    name: 'outputs not a function of the log: the time of the change is now',
    edits: [
      {
        file: 'services/processor/src/output-records.ts',
        from:
          '    { timeMs: stored.cause.appendTimeMs, traceparent },\n  )\n' +
          '  return { topic: topics.changes.name, partition, ...encoded }\n',
        to:
          '    { timeMs: Date.now(), traceparent },\n  )\n' +
          '  return { topic: topics.changes.name, partition, ...encoded }\n',
      },
    ],
  },
]

/** Plants one after the other, each until a seed tells it from what is there; gives the exit code. */
export async function runMutants(options: {
  first: number
  count: number
  only: string | undefined
  print: (line: string) => void
}): Promise<number> {
  const { first, count, only = '', print } = options
  const chosen = mutants.filter(({ name }) => name.includes(only))
  if (chosen.length === 0) throw new StartProblem(`No mutant has "${only}" in its name.`)
  for (const mutant of chosen) mutate(mutant)

  let caught = 0
  print(`${'mutant'.padEnd(76)} ${'seeds'.padStart(6)}  caught by`)
  for (const mutant of chosen) {
    const { seeds, by } = await hunt(mutant, { first, count })
    if (by !== null) caught += 1
    print(`${mutant.name.padEnd(76)} ${String(seeds).padStart(6)}  ${by ?? 'NOT CAUGHT'}`)
  }
  print(JSON.stringify({ mutants: chosen.length, caught }))
  return caught === chosen.length ? 0 : 1
}

/** A seed catches a mutant when it fails with it, and not without. */
async function hunt(mutant: Mutant, { first, count }: { first: number; count: number }) {
  for (let seeds = 0; seeds < count; ) {
    const range = { first: first + seeds, count: count - seeds }
    const run = await runSeeds({ ...range, mutant, stopAtFailure: true })
    seeds += run.seeds
    for (const { seed, problems } of run.failures) {
      const { problems: without } = await runPlan(planOf(seed))
      if (without.length === 0) return { seeds, by: `seed ${seed}: ${problems[0]?.slice(0, 100)}` }
    }
  }
  return { seeds: count, by: null }
}
