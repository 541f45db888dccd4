import { partitionOf } from '@signalbox/kafka/partition'
import type { LogRecord } from '@signalbox/kafka/producer'
import { describe, expect, test } from 'vitest'
import { type RedriveRequest, type RedriveReport, redrive } from './redrive.ts'
import type { LogReader, Selection } from './quarantine.ts'
import { asideByProcessor, createScene, names, notification, partitions } from './set-aside.fixture.ts'

type Scene = ReturnType<typeof createScene>
type Wish = Partial<Omit<RedriveRequest, 'what'>> & { selection?: Partial<Selection> }

function ask(scene: Scene, { selection, ...wish }: Wish = {}) {
  return redrive(scene.ports, {
    what: { kind: 'all', selection: { maySee: () => true, ...selection } },
    attributedTo: null,
    again: false,
    dryRun: false,
    ...wish,
  })
}

async function reportOf(scene: Scene, wish: Wish = {}): Promise<RedriveReport> {
  const result = await ask(scene, wish)
  if (result.kind !== 'done') throw new Error(JSON.stringify(result))
  return result.report
}

const nothing: RedriveReport = {
  selected: 0,
  byReason: {},
  putBack: 0,
  redrivenBefore: 0,
  impossible: {},
  unfit: {},
  remaining: 0,
  goOnFromMs: null,
}

const putBackIn = (scene: Scene) =>
  scene.recordsOf(names.raw).filter(({ headers }) => headers.has('replayed-from'))

test('an empty quarantine has nothing to put back', async () => {
  expect(await reportOf(createScene())).toEqual(nothing)
})

test('what is selected is put back, the rest stays', async () => {
  const scene = createScene()
  for (const merchant of ['M1', 'M2', 'M3']) scene.setAside('unknown_status', { merchant })
  scene.setAside('wrong_type')
  expect(await reportOf(scene, { selection: { reason: 'unknown_status' } })).toEqual({
    ...nothing,
    selected: 3,
    byReason: { unknown_status: 3 },
    putBack: 3,
  })
  expect(new Set(putBackIn(scene).map(({ key }) => key))).toEqual(new Set(['C1/M1', 'C1/M2', 'C1/M3']))
})

test('the records of a merchant are put back in their order', async () => {
  const scene = createScene()
  for (let number = 0; number < 10; number++) scene.setAside('wrong_type', { id: `n${number}` })
  await reportOf(scene)
  const order = putBackIn(scene).map(({ headers }) => headers.get('notification-id')?.toString())
  expect(order).toEqual(Array.from({ length: 10 }, (_, number) => `n${number}`))
})

test('a dry run counts the same and appends nothing', async () => {
  const scene = createScene()
  for (const merchant of ['M1', 'M2']) scene.setAside('wrong_type', { merchant })
  scene.setAside('unattributable', { merchant: null })
  const dry = await reportOf(scene, { dryRun: true })
  expect(putBackIn(scene)).toEqual([])
  expect(await reportOf(scene)).toEqual(dry)
  expect(dry).toMatchObject({ selected: 3, putBack: 2, impossible: { no_merchant: 1 } })
})

test('what the rules of this version would set aside again is counted', async () => {
  const scene = createScene()
  scene.setAside('wrong_type', {
    body: '{"referenceMerchantId":5,"registrationRequestId":"R"}',
    merchant: 'M1',
  })
  scene.setAside('unknown_status', { status: 'ALMOST' })
  scene.setAside('unknown_status', { status: 'REJECTED' })
  expect(await reportOf(scene, { selection: { reason: 'unknown_status' }, dryRun: true })).toMatchObject({
    putBack: 2,
    unfit: { unknown_status: 1 },
  })
})

describe('what was put back before', () => {
  test('is told and left alone', async () => {
    const scene = createScene()
    for (const merchant of ['M1', 'M2']) scene.setAside('wrong_type', { merchant })
    await reportOf(scene)
    expect(await reportOf(scene)).toMatchObject({ selected: 2, putBack: 0, redrivenBefore: 2 })
    expect(putBackIn(scene)).toHaveLength(2)
  })

  test('is known in whatever partition it stands', async () => {
    const scene = createScene()
    const { partition } = scene.setAside('unattributable', { merchant: null })
    const elsewhere = ['M0', 'M1', 'M2', 'M3', 'M4', 'M5'].find(
      (merchant) => partitionOf(`C1/${merchant}`, partitions) !== partition,
    )
    if (elsewhere === undefined) throw new Error('one of six merchants stands in another partition')
    const wish = { attributedTo: elsewhere, selection: { registrationRequestId: 'R1' } }
    expect(await reportOf(scene, wish)).toMatchObject({ putBack: 1 })
    expect(await reportOf(scene, wish)).toMatchObject({ redrivenBefore: 1 })
  })

  test('goes back once more when that is wanted', async () => {
    const scene = createScene()
    scene.setAside('wrong_type')
    await reportOf(scene)
    expect(await reportOf(scene, { again: true })).toMatchObject({ putBack: 1, redrivenBefore: null })
    expect(putBackIn(scene)).toHaveLength(2)
  })

  test('and was set aside again is put back once more, alone', async () => {
    const scene = createScene()
    scene.setAside('wrong_type')
    await reportOf(scene)
    const [first] = putBackIn(scene)
    if (first === undefined) throw new Error('nothing was put back')
    scene.append(asideByProcessor(first, 'wrong_type'))
    expect(await reportOf(scene)).toMatchObject({ selected: 1, putBack: 1, redrivenBefore: 0 })
    expect(await reportOf(scene)).toMatchObject({ selected: 1, putBack: 0, redrivenBefore: 1 })
  })

  test('is known of a record that an ingress refused', async () => {
    const scene = createScene()
    scene.refuse('over_age')
    expect(await reportOf(scene)).toMatchObject({ putBack: 1 })
    expect(await reportOf(scene)).toMatchObject({ putBack: 0, redrivenBefore: 1 })
  })
})

test('a merchant is not given to notifications of two clients', async () => {
  const scene = createScene()
  for (const clientId of ['C1', 'C2']) scene.setAside('unattributable', { clientId, merchant: null })
  const wish = { attributedTo: 'M1', selection: { registrationRequestId: 'R1' } }
  expect(await ask(scene, wish)).toMatchObject({ kind: 'refused', why: /name the client/ })
  const selection = { ...wish.selection, clientId: 'C2' }
  expect(await reportOf(scene, { ...wish, selection })).toMatchObject({ putBack: 1 })
  expect(putBackIn(scene)).toMatchObject([{ key: 'C2/M1' }])
})

test('a merchant is not given to notifications of several: it takes one request id, or one position', async () => {
  const scene = createScene()
  for (const round of ['R1', 'R2', 'R1']) scene.setAside('unattributable', { merchant: null, round })
  const { partition, offset } = scene.refuse('unroutable', { merchant: null, round: null })
  scene.setAside('wrong_type', { round: 'R1', merchant: 'M5' })
  for (const selection of [{}, { reason: 'unattributable' }, { clientId: 'C1' }, { fromMs: 0 }]) {
    expect(await ask(scene, { attributedTo: 'M1', selection })).toMatchObject({
      kind: 'refused',
      why: /notifications of several: give a position, or the request id/,
    })
  }
  expect(putBackIn(scene)).toEqual([])

  const byRound = { attributedTo: 'M1', selection: { registrationRequestId: 'R1' } }
  expect(await reportOf(scene, byRound)).toMatchObject({
    selected: 3,
    putBack: 2,
    impossible: { names_merchant: 1 },
  })
  expect(putBackIn(scene).map(({ key }) => key)).toEqual(['C1/M1', 'C1/M1'])
  const what = { kind: 'one', position: { partition, offset }, maySee: () => true } as const
  expect(await redrive(scene.ports, { what, attributedTo: 'M9', again: false, dryRun: false })).toMatchObject(
    { kind: 'done', report: { putBack: 1 } },
  )
})

const merchants = Array.from({ length: 1_100 }, (_, number) => `M${number}`)

function createLargeScene(): Scene {
  const scene = createScene()
  for (const merchant of merchants) scene.setAside('wrong_type', { merchant })
  return scene
}

const merchantsPutBack = (scene: Scene) => putBackIn(scene).map(({ key }) => key?.split('/')[1] ?? '')

/** 600 records to a moment. */
const crowdedMs = (offset: number) => 1_000 + Math.floor(offset / (600 / partitions))

describe('limits', () => {
  test('a run takes a thousand, and the next one the rest', async () => {
    const scene = createLargeScene()
    expect(await reportOf(scene, { dryRun: true })).toMatchObject({ putBack: 1_100, remaining: 0 })
    expect(await reportOf(scene)).toMatchObject({ selected: 1_100, putBack: 1_000, remaining: 100 })
    expect(await reportOf(scene)).toMatchObject({ putBack: 100, redrivenBefore: 1_000, remaining: 0 })
  })

  test('what cannot be put back does not stand in the way of the rest', async () => {
    const scene = createScene()
    for (let number = 0; number < 1_050; number++) scene.setAside('unattributable', { merchant: null })
    scene.setAside('wrong_type', { merchant: 'M1' })
    expect(await reportOf(scene)).toMatchObject({ putBack: 1, impossible: { no_merchant: 1_050 } })
  })

  test('more than a run takes is put back again by runs that go on where the one before ended', async () => {
    const scene = createLargeScene()
    scene.setAside('unattributable', { merchant: null })
    expect(await reportOf(scene, { again: true, dryRun: true })).toMatchObject({
      putBack: 1_100,
      remaining: 0,
      goOnFromMs: null,
    })
    const first = await reportOf(scene, { again: true })
    expect(first).toMatchObject({ selected: 1_101, putBack: 1_000, remaining: 101 })
    // The oldest first, whatever their partition.
    expect(new Set(merchantsPutBack(scene))).toEqual(new Set(merchants.slice(0, 1_000)))
    const second = await reportOf(scene, { again: true, selection: { fromMs: first.goOnFromMs ?? 0 } })
    expect(second).toMatchObject({ putBack: 100, remaining: 0, goOnFromMs: null })
    expect(second.impossible).toEqual({ no_merchant: 1 })
    expect(merchantsPutBack(scene).toSorted()).toEqual(merchants.toSorted())
  })

  test('and no run ends inside a millisecond, where the next could not go on', async () => {
    const scene = createLargeScene()
    const { log } = scene
    scene.ports.log = {
      ...log,
      offsetAt: async (of) => {
        const { end } = await log.bounds(of)
        const offsets = Array.from({ length: Number(end) }, (_, offset) => offset)
        return BigInt(offsets.find((offset) => crowdedMs(offset) >= of.timeMs) ?? end)
      },
      async *read(range) {
        for await (const records of log.read(range)) {
          yield records.map((record) => ({ ...record, timestampMs: crowdedMs(Number(record.offset)) }))
        }
      },
    }
    let fromMs = 0
    const runs: number[] = []
    for (let run = 0; run < 10; run++) {
      const report = await reportOf(scene, {
        again: true,
        selection: { fromMs, reason: 'wrong_type' },
      })
      runs.push(report.putBack)
      if (report.goOnFromMs === null) break
      fromMs = report.goOnFromMs
    }
    expect(runs.length).toBeGreaterThan(1)
    expect(runs.reduce((sum, count) => sum + count, 0)).toBe(1_100)
    expect(merchantsPutBack(scene).toSorted()).toEqual(merchants.toSorted())
  })

  test('a raw topic too long to look through is told, and with again is not looked through', async () => {
    const scene = createScene()
    scene.setAside('wrong_type')
    const log: LogReader = {
      ...scene.log,
      bounds: async (of) =>
        of.topic === names.raw ? { start: 0n, end: 1_000_002n } : await scene.log.bounds(of),
    }
    scene.ports.log = log
    expect(await ask(scene)).toMatchObject({ kind: 'refused', why: /1000000 records .* give --again/ })
    expect(await reportOf(scene, { again: true })).toMatchObject({ putBack: 1 })
  })
})

test('what Kafka does not confirm is told with what it had confirmed before', async () => {
  const scene = createScene()
  for (let number = 0; number < 5; number++) scene.setAside('wrong_type', { id: `n${number}` })
  let calls = 0
  const producer = {
    async publish(records: readonly LogRecord[]) {
      if (++calls === 2) throw new Error('Kafka has not confirmed all of 2 records')
      await scene.producer.publish(records)
    },
  }
  const request = { what: { kind: 'all', selection: { maySee: () => true } } } as const
  const rest = { attributedTo: null, again: false, dryRun: false }
  const result = await redrive({ ...scene.ports, producer }, { ...request, ...rest })
  expect(result).toMatchObject({ kind: 'interrupted', report: { putBack: 3, remaining: 2 } })
  expect(await reportOf(scene)).toMatchObject({ putBack: 2, redrivenBefore: 3 })
})

function one(scene: Scene, at: { partition: number; offset: bigint }, { isSeen = true } = {}) {
  return redrive(scene.ports, {
    what: { kind: 'one', position: at, maySee: () => isSeen },
    attributedTo: null,
    again: false,
    dryRun: false,
  })
}

describe('one record', () => {
  test('goes back alone', async () => {
    const scene = createScene()
    scene.setAside('wrong_type', { id: 'n1' })
    const { partition, offset } = scene.setAside('wrong_type', { id: 'n2' })
    expect(await one(scene, { partition, offset })).toMatchObject({ kind: 'done', report: { putBack: 1 } })
    expect(putBackIn(scene).map(({ value }) => String(value))).toEqual([String(notification().value)])
    expect(await one(scene, { partition, offset })).toMatchObject({
      report: { putBack: 0, redrivenBefore: 1 },
    })
  })

  test('that is not there, or not to be seen, is not found', async () => {
    const scene = createScene()
    const { partition, offset } = scene.setAside('wrong_type')
    expect(await one(scene, { partition, offset: 9n })).toEqual({ kind: 'not_found' })
    expect(await one(scene, { partition, offset }, { isSeen: false })).toEqual({ kind: 'not_found' })
    expect(putBackIn(scene)).toEqual([])
  })
})
