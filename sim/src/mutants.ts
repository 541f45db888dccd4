import { availableParallelism } from 'node:os'
import { StartProblem } from '@signalbox/runtime/start-problem'
import { type Mutant, mutate } from './mutant.ts'
import { runSeeds } from './run-seeds.ts'

const worker = 'services/processor/src/partition-worker.ts'
const foldChunk = 'services/processor/src/fold-chunk.ts'
const fanOutStart = 'services/alerts/src/fan-out/fan-out-start.ts'
const tailReceipts = 'services/alerts/src/receipts/tail-receipts.ts'

const goOn =
  "      return { kind: 'from', offset: await goOn(decision.watermark, watermark), because: decision.because }\n"
const beforeRecord = '  const before = known(key)\n'
const publishChanges = '      await changes.publish({ deadlineMs: publishDeadlineMs })\n'
const publishStates = '      const offsets = await states.publish({ deadlineMs: publishDeadlineMs })\n'
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
        from: goOn,
        to:
          '      const offset = await goOn(decision.watermark, watermark)\n' +
          '      const view = views.get(partition)\n' +
          '      const isBefore = (position.committed ?? 0n) > offset\n' +
          '      if (isBefore) views.set(partition, { ...view, offset: position.committed - 1n })\n' +
          "      return { kind: 'from', offset: isBefore ? position.committed : offset, because: decision.because }\n",
      },
    ],
  },
  {
    name: 'attach goes to the committed offset where that is ahead of the watermark',
    edits: [
      {
        file: worker,
        from: goOn,
        to:
          '      const offset = await goOn(decision.watermark, watermark)\n' +
          '      const isBefore = (position.committed ?? 0n) > offset\n' +
          "      return { kind: 'from', offset: isBefore ? position.committed : offset, because: decision.because }\n",
      },
    ],
  },
  {
    name: 'no rebuild: the log is folded from its start into an empty view',
    edits: [
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const loaded = await load(',
        to:
          '    const nothing = async ({ marker }) => ({ kind: "loaded", marker, registrations: 0, stateEnd: ' +
          '(await reader.bounds({ topic: topics.state.name, partition })).end })\n' +
          '    const loaded = await nothing(',
      },
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const offset = (await secondFoldFrom(position, { foldsFromStart })) - 1n\n',
        to: '    const offset = position.logStart - 1n\n',
      },
    ],
  },
  {
    name: 'no second fold',
    edits: [
      {
        file: 'services/processor/src/rebuild.ts',
        from: '    const offset = (await secondFoldFrom(position, { foldsFromStart })) - 1n\n',
        to: '    const offset = (position.committed ?? position.logStart) - 1n\n',
      },
    ],
  },
  {
    name: 'every step of a rebuild leaves the same marker',
    edits: [
      {
        file: 'packages/registration-store/src/watermark.ts',
        from: '  return `${start}${Number(step) + 1}`',
        to: '  return marker',
      },
    ],
  },
  {
    name: 'fan-out from the group offset instead of its own watermark',
    edits: [
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
        from: '      const outcome = await auditRanges({ partition, view, audited: view.audited })\n',
        to: "      const outcome = { kind: 'audited', audited: view.audited }\n",
      },
    ],
  },
  {
    name: 'the last state record instead of the greatest',
    edits: [
      {
        file: 'services/processor/src/newest-states.ts',
        from: 'known !== undefined && isOlder(record, known)',
        to: 'false',
      },
    ],
  },
  {
    name: 'attribution from state: the store of the registration that shares the round',
    edits: [
      {
        file: worker,
        from: '    const { changes, quarantined, states, ...folded } = foldChunk(records, {',
        to:
          '    const attributed = records.map((read) => {\n' +
          "        if (read.kind !== 'statement' || read.statement.registration.referenceStoreId !== null) return read\n" +
          '        const sharing = [...loaded].find(([, { registration }]) =>\n' +
          '          registration.registers.rounds.some(({ id }) => id === read.statement.round))\n' +
          '        if (sharing === undefined) return read\n' +
          '        const [key] = sharing\n' +
          "        const registration = { ...read.statement.registration, referenceStoreId: key.split('/')[2] || null }\n" +
          '        return { ...read, key, statement: { ...read.statement, registration } }\n' +
          '      })\n' +
          '    const { changes, quarantined, states, ...folded } = foldChunk(attributed, {',
      },
    ],
  },
  {
    name: 'dedupe by a 1 h key: content that was seen is not folded',
    edits: [
      {
        file: foldChunk,
        from: beforeRecord,
        to:
          beforeRecord +
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
        from: '  const { clientId, referenceMerchantId, referenceStoreId } = said.registration\n',
        to:
          '  const { clientId, referenceMerchantId, referenceStoreId: store } = said.registration\n' +
          '  const referenceStoreId = `${store} ${(said.entries ?? []).map(({ place }) => place)}`\n',
      },
      {
        file: 'packages/registration/src/observation.ts',
        from: '  for (const mention of mentions.toSorted(compareEntries)) {\n',
        to:
          '  const placed = mentions.map((mention, place) => ({ ...mention, place }))\n' +
          '  for (const mention of placed.toSorted(compareEntries)) {\n',
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
    name: 'no tailer: markers are not made from receipts',
    edits: [{ file: tailReceipts, from: "(key?.startsWith('a-') === true ? [key] : [])", to: '[]' }],
  },
  {
    name: 'fan-out does not wait for receipts',
    edits: [
      {
        file: 'services/alerts/src/fan-out/fan-out.ts',
        from: '    const receiptsTo = await ports.receiptsSeen.reached(partition)\n',
        to: '    const receiptsTo = 0n\n',
      },
    ],
  },
  {
    name: 'delivery does not doubt a Redis that it has lost its connection to',
    edits: [
      {
        file: 'services/alerts/src/receipts/receipts-seen.ts',
        from: 'seen.get(partition) !== doubts',
        to: '!seen.has(partition)',
      },
    ],
  },
  {
    name: 'a fan-out that has lost its watermark begins at the end of the log',
    edits: [
      {
        file: 'services/alerts/src/fan-out/fan-out.ts',
        from: 'timeMs: ports.now() - horizonMs',
        to: 'timeMs: ports.now() + 1e12',
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

/** Does no harm, for this reason; `mutants` holds another one of the same place. */
export const harmless: readonly (Mutant & { because: string })[] = [
  {
    name: 'commit not moved forward at attach',
    because:
      'the watermark decides where to go on, and the committed offset only how much is folded again after a rebuild: ' +
      'from an older one it is more. The next chunk commits.',
    edits: [
      {
        file: 'sim/src/ports/memory-consumer.ts',
        from: '    if (committed === null || attached.offset > committed) void commit(slot).catch(() => undefined)\n',
        to: '',
      },
    ],
  },
]

/** Enough to catch each of them. */
export const seedsPerMutant = 2_500
const seedsOfHarmless = 500

type Row = { name: string; seeds: number; verdict: string; isAsWanted: boolean }

/** Plants each mutant, until a seed tells it from what is there; gives the exit code. */
export async function runMutants(options: {
  first: number
  /** Most seeds of each. */
  count: number
  only: string | undefined
  print: (line: string) => void
}): Promise<number> {
  const { first, count, only = '', print } = options
  const named = ({ name }: Mutant) => name.includes(only)
  const chosen = mutants.filter(named)
  const spared = harmless.filter(named)
  if (chosen.length + spared.length === 0) throw new StartProblem(`No mutant has "${only}" in its name.`)
  for (const mutant of [...chosen, ...spared]) mutate(mutant)

  const row = ({ name, seeds, verdict }: Pick<Row, 'name' | 'verdict'> & { seeds: number | string }) =>
    print(`${name.padEnd(76)} ${String(seeds).padStart(6)}  ${verdict}`)
  row({ name: 'mutant', seeds: 'seeds', verdict: 'caught by' })
  const wanted = [
    ...chosen.map((mutant) => () => rowOf(mutant, { first, count })),
    ...spared.map(
      (mutant) => () => rowOfHarmless(mutant, { first, count: Math.min(count, seedsOfHarmless) }),
    ),
  ]
  const rows = await inLanes(wanted, row)
  const caught = rows.slice(0, chosen.length).filter(({ isAsWanted }) => isAsWanted).length
  print(JSON.stringify({ mutants: chosen.length, caught }))
  return rows.every(({ isAsWanted }) => isAsWanted) ? 0 : 1
}

async function rowOf(mutant: Mutant, range: { first: number; count: number }): Promise<Row> {
  const { seeds, by, broken } = await hunt(mutant, range)
  const verdict = by ?? (broken === undefined ? 'NOT CAUGHT' : `BROKEN: ${broken}`)
  return { name: mutant.name, seeds, verdict, isAsWanted: by !== null }
}

async function rowOfHarmless(
  mutant: (typeof harmless)[number],
  range: { first: number; count: number },
): Promise<Row> {
  const { seeds, by } = await hunt(mutant, range)
  const verdict = by === null ? `harmless: ${mutant.because}` : `NOT HARMLESS: ${by}`
  return { name: mutant.name, seeds, verdict, isAsWanted: by === null }
}

/** A seed catches a mutant when it fails with it, and not without. */
async function hunt(mutant: Mutant, { first, count }: { first: number; count: number }) {
  for (let seeds = 0; seeds < count; ) {
    const range = { first: first + seeds, count: count - seeds }
    const run = await runSeeds({ ...range, mutant, stopAtFailure: true, threads: 1 })
    seeds += run.seeds
    for (const { seed, problems } of run.failures) {
      const [problem = ''] = problems
      // It does not do what it is named after.
      if (/(Type|Reference|Syntax)Error/.test(problem)) return { seeds, by: null, broken: problem }
      const without = await runSeeds({ first: seed, count: 1 })
      if (without.failures.length === 0) return { seeds, by: `seed ${seed}: ${problem.slice(0, 100)}` }
    }
  }
  return { seeds: count, by: null }
}

/** As many at a time as the machine can run at once; the results in the order of the tasks, each told when it is there. */
async function inLanes<T>(tasks: readonly (() => Promise<T>)[], done: (result: T) => void): Promise<T[]> {
  const results = new Map<number, T>()
  const left = [...tasks.entries()]
  async function lane(): Promise<void> {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [index, task] = next
      const result = await task()
      results.set(index, result)
      done(result)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return [...results].toSorted(([left], [right]) => left - right).map(([, result]) => result)
}
