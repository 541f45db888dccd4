import { expect, test } from 'vitest'
import { findQuarantined, listQuarantine, type Selection } from './quarantine.ts'
import { asideByProcessor, createScene, notification } from './set-aside.fixture.ts'

const all: Selection = { maySee: () => true }

function list(scene: ReturnType<typeof createScene>, selection: Selection = all, limit = 100) {
  return listQuarantine(scene.of, { selection, cursor: null, limit })
}

/** Twelve notifications of two clients over all partitions, for three reasons, a second apart. */
function createFilled() {
  const scene = createScene()
  const startMs = scene.nowMs()
  for (let number = 0; number < 12; number++) {
    scene.passMs(1_000)
    const reason = ['wrong_type', 'unknown_status', 'over_age'][number % 3] ?? ''
    const of = { id: `n${number}`, merchant: `M${number}`, clientId: number % 2 === 0 ? 'C1' : 'C2' }
    if (reason === 'over_age') scene.refuse(reason, of)
    else scene.setAside(reason, of)
  }
  return { scene, startMs }
}

const ids = (records: readonly { notificationId: string | null }[]) =>
  records.map(({ notificationId }) => notificationId)

test('the newest come first, over all partitions', async () => {
  const { records, next, complete } = await list(createFilled().scene)
  expect(ids(records)).toEqual(Array.from({ length: 12 }, (_, index) => `n${11 - index}`))
  expect([next, complete]).toEqual([null, true])
})

test.each([
  ['a reason', { reason: 'unknown_status' }, ['n10', 'n7', 'n4', 'n1']],
  ['a client', { clientId: 'C2' }, ['n11', 'n9', 'n7', 'n5', 'n3', 'n1']],
  ['both', { reason: 'wrong_type', clientId: 'C1' }, ['n6', 'n0']],
  ['a reason that none has', { reason: 'too_deep' }, []],
])('%s selects', async (_, selection, expected) => {
  const { records } = await list(createFilled().scene, { ...all, ...selection })
  expect(ids(records)).toEqual(expected)
})

test('a time range selects from its start up to, without, its end', async () => {
  const { scene } = createFilled()
  const { records } = await list(scene)
  const [fromMs, toMs] = [8, 3].map((index) => records[index]?.setAsideMs)
  expect(ids((await list(scene, { ...all, fromMs, toMs })).records)).toEqual(['n7', 'n6', 'n5', 'n4', 'n3'])
})

test('nothing of a client that the asker may not see is told or counted', async () => {
  const { records, byReason } = await list(createFilled().scene, { maySee: (client) => client === 'C2' })
  expect(ids(records)).toEqual(['n11', 'n9', 'n7', 'n5', 'n3', 'n1'])
  expect(byReason).toEqual({ over_age: 2, unknown_status: 2, wrong_type: 2 })
})

test('what names no client is seen only by those who may see everything', async () => {
  const scene = createScene()
  const alien = scene.append({ ...notification(), headers: {} })
  scene.append(asideByProcessor(alien, 'unreadable_record', 'headers'))
  expect((await list(scene, { maySee: (client) => client !== null })).records).toEqual([])
  expect((await list(scene)).records).toMatchObject([{ clientId: null }])
})

test('page by page comes everything once', async () => {
  const { scene } = createFilled()
  const seen: (string | null)[] = []
  let cursor: string | null = null
  do {
    const page = await listQuarantine(scene.of, { selection: all, cursor, limit: 5 })
    seen.push(...ids(page.records))
    cursor = page.next
  } while (cursor !== null)
  expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => `n${11 - index}`))
})

test('a record set aside twice, as after a replay, is one', async () => {
  const scene = createScene()
  const raw = scene.append(notification({ id: 'n1' }))
  const first = scene.append(asideByProcessor(raw, 'wrong_type'))
  scene.append(asideByProcessor(raw, 'wrong_type'))
  const { records, byReason } = await list(scene)
  expect(records).toMatchObject([{ offset: first.offset }])
  expect(byReason).toEqual({ wrong_type: 1 })
})

test('of more than can be looked through the newest are shown, and that there are more', async () => {
  const scene = createScene()
  const log = {
    ...scene.log,
    bounds: async () => ({ start: 0n, end: 40_000n }),
    async *read({ partition, from, to }: { partition: number; from: bigint; to: bigint }) {
      reads.push([partition, from, to])
      yield []
    },
  }
  const reads: unknown[] = []
  const { complete } = await listQuarantine({ ...scene.of, log }, { selection: all, cursor: null, limit: 1 })
  expect(complete).toBe(false)
  expect(reads).toEqual([0, 1, 2, 3].map((partition) => [partition, 27_500n, 40_000n]))
})

test('one record is found with its bytes by its position', async () => {
  const scene = createScene()
  const { partition, offset } = scene.setAside('wrong_type', { id: 'n1' })
  const position = { partition, offset }
  const found = await findQuarantined(scene.of, { position, maySee: () => true })
  expect(found).toMatchObject({ notificationId: 'n1', value: Buffer.from(String(notification().value)) })
  expect(await findQuarantined(scene.of, { position, maySee: () => false })).toBeNull()
})

test.each([
  { partition: 0, offset: 99n },
  { partition: 99, offset: 0n },
])('nothing is found at $partition-$offset, where nothing is', async (position) => {
  const { scene } = createFilled()
  expect(await findQuarantined(scene.of, { position, maySee: () => true })).toBeNull()
})
