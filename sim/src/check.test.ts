import { owedAlert } from '@signalbox/alerts/owed-alert'
import { topics } from '@signalbox/contracts/topics'
import type { LogRecord } from '@signalbox/kafka/producer'
import { expect, test } from 'vitest'
import { differencesOf } from './check.ts'
import { planOf } from './plan.ts'
import type { PartitionView } from './ports/memory-store.ts'
import { runWorld } from './run-plan.ts'
import { createWorld, type World } from './world.ts'

const partition = 0
const plan = { ...planOf(2), faults: [], partitions: 1, compactionLagMs: 3_600_000 }

/** A world in which nothing went wrong. */
async function soundWorld(): Promise<World> {
  const world = createWorld(plan, undefined)
  await runWorld(world)
  return world
}

function recordsOf(world: World, topic: string) {
  return world.broker.everAppended({ topic, partition })
}

function append(world: World, topic: string, of: Pick<LogRecord, 'value'> & { like: number }): void {
  const like = recordsOf(world, topic).at(of.like)
  if (like === undefined) throw new Error(`there is no record ${of.like} in ${topic}`)
  const { key, headers } = like
  world.broker.append([
    { topic, partition, key: key ?? '', value: of.value, headers: Object.fromEntries(headers) },
  ])
}

const textOf = (world: World, topic: string, place: number) =>
  String(recordsOf(world, topic).at(place)?.value)

function changeView(world: World, change: (view: PartitionView) => Partial<PartitionView>): void {
  const view = world.stateRedis.now().get(partition)
  if (view === undefined) throw new Error('there is no view')
  world.stateRedis.set(new Map([[partition, { ...view, ...change(view) }]]))
}

const anAlert = owedAlert({
  subject: 'client/M/',
  version: 1,
  endpointId: 'e1',
  variant: '',
  partition: 0,
  owedSinceMs: 1,
})

const withoutFirst = <Key, Value>(map: ReadonlyMap<Key, Value>) => new Map([...map].slice(1))

const { changes, quarantine, state } = topics

test('of a run in which nothing goes wrong nothing differs', async () => {
  const world = await soundWorld()
  expect(differencesOf(world)).toEqual([])
  expect(recordsOf(world, quarantine.name).length).toBeGreaterThan(0)
  expect(world.sent.size).toBeGreaterThan(0)
})

const harms: readonly [string, RegExp, (world: World) => void][] = [
  [
    'a version with two contents',
    /version 1 has two contents/,
    (world) =>
      append(world, changes.name, {
        like: 0,
        value: textOf(world, changes.name, 0).replace(/"flags":\[.*?\]/, '"flags":["x"]'),
      }),
  ],
  [
    'a version too many',
    /a change too many/,
    (world) =>
      append(world, changes.name, {
        like: -1,
        value: textOf(world, changes.name, -1).replace(/"version":\d+/, '"version":99'),
      }),
  ],
  [
    'an older state behind the newest',
    /the last in the state topic/,
    (world) => {
      const [first] = recordsOf(world, state.name)
      append(world, state.name, { like: 0, value: String(first?.value) })
    },
  ],
  [
    'a revision of a state with two contents',
    /revision \d+ has two contents/,
    (world) =>
      append(world, state.name, {
        like: -1,
        value: textOf(world, state.name, -1).replace(/"flags":\[.*?\]/, '"flags":["x"]'),
      }),
  ],
  [
    'a state that is forgotten',
    /the last in the state topic .* is nothing/,
    (world) => append(world, state.name, { like: -1, value: null }),
  ],
  [
    'something in quarantine that does not belong there',
    /in quarantine offset \S+ is/,
    (world) => append(world, quarantine.name, { like: 0, value: 'other' }),
  ],
  [
    'a registration that the view has lost',
    /in Redis \S+ is nothing/,
    (world) => changeView(world, ({ registrations }) => ({ registrations: withoutFirst(registrations) })),
  ],
  [
    'a registration that is on no list',
    /attention .* is nothing/,
    (world) => changeView(world, ({ attention }) => ({ attention: withoutFirst(attention) })),
  ],
  [
    'books that have counted a record twice',
    /the books hold/,
    (world) =>
      changeView(world, ({ books }) => ({
        books: books && { ...books, counts: { ...books.counts, stale: books.counts.stale + 1 } },
      })),
  ],
  [
    'an alert without a receipt',
    /alerts of \d+ are not delivered/,
    (world) => {
      world.receivedIds = () => new Set()
    },
  ],
  [
    'an obligation that stays',
    /1 owed are left/,
    ({ queueRedis }) =>
      queueRedis.set({ ...queueRedis.now(), owed: new Map([['0 x', { alert: anAlert, batchId: null }]]) }),
  ],
  ["an alert that is nobody's", /1 alerts are nobody's/, ({ sent }) => void sent.set('a-other', 1)],
  [
    'a group that has not committed',
    /its group has committed null/,
    ({ groups }) => groups.processors.forgetOffsets(),
  ],
]

test.each(harms)('the comparison finds %s', async (_, told, harm) => {
  const world = await soundWorld()
  harm(world)
  expect(differencesOf(world)).toContainEqual(expect.stringMatching(told))
})
