import { expect, test } from 'vitest'
import type { Alert } from './alert.ts'
import { createAlertReceiver, type Delivery } from './receive-alert.ts'
import { changed, endpointChanged, flagged, nowMs, secret, signed } from './signed-alert.fixture.ts'

const noWork = () => {}
const receiver = () => createAlertReceiver({ secrets: [secret], now: () => nowMs })

/** Every sequence of these versions of this length: every order, every multiplicity. */
function sequences(versions: readonly number[], length: number): number[][] {
  if (length === 0) return [[]]
  return sequences(versions, length - 1).flatMap((start) => versions.map((version) => [...start, version]))
}

// Version 1 approves A, 2 approves B, 3 approves A and C: 3 overtakes 1, and 2 stays news.
const toldBy = new Map([
  [1, ['A']],
  [2, ['B']],
  [3, ['A', 'C']],
])

/** The version that each wallet was last told in, when nothing is lost. */
function truth(delivered: readonly number[]): Record<string, number> {
  const told: Record<string, number> = {}
  for (const version of delivered) {
    for (const name of toldBy.get(version) ?? []) told[name] = Math.max(version, told[name] ?? 0)
  }
  return told
}

test('in any order and multiplicity the greatest version comes once, and every wallet ends with its latest', {
  timeout: 60_000,
}, async () => {
  const all = sequences([1, 2, 3], 6)
  expect(all.length).toBe(729)
  for (const delivered of all) {
    const { handle } = receiver()
    const newest: number[] = []
    const told: Record<string, number> = {}
    const work = (alert: Alert, { isLate }: Delivery) => {
      if (alert.type !== 'registration.changed') return
      if (!isLate) newest.push(alert.data.version)
      for (const event of alert.data.events) {
        if (event.type === 'entry.approved') told[event.pspName] = alert.data.version
      }
    }
    for (const version of delivered) {
      const request = signed(changed(version, toldBy.get(version)), { id: `a-${version}` })
      await handle(request, work)
    }
    const rising = delivered.filter((version, index) =>
      delivered.slice(0, index).every((before) => before < version),
    )
    expect(newest, `of ${delivered.join()}`).toEqual(rising)
    expect(told, `of ${delivered.join()}`).toEqual(truth(delivered))
  }
})

test('a late alert tells what nothing newer has told', async () => {
  const { receive } = receiver()
  const newer = await receive(signed(changed(3, ['A', 'C']), { id: 'a-3' }))
  if (newer.kind === 'alert') await newer.confirm()
  expect(await receive(signed(changed(1, ['A']), { id: 'a-1' }))).toMatchObject({
    kind: 'older',
    late: null,
    newestVersion: 3,
    status: 204,
  })
  expect(await receive(signed(changed(2, ['A', 'B']), { id: 'a-2' }))).toMatchObject({
    kind: 'older',
    alert: changed(2, ['A', 'B']),
    late: changed(2, ['B']),
    newestVersion: 3,
  })
})

test('what is not confirmed is not known', async () => {
  const { receive } = receiver()
  const first = await receive(signed(changed(3), { id: 'a-3' }))
  if (first.kind === 'alert') await first.release()
  expect(await receive(signed(changed(2), { id: 'a-2' }))).toMatchObject({ kind: 'alert' })
})

test.each([
  ['registration.flagged', flagged],
  ['endpoint.disabled', endpointChanged],
])('%s is worked on once per version, and an older one not at all', async (_, alertOf) => {
  const { handle } = receiver()
  const worked: Alert[] = []
  const work = (alert: Alert) => void worked.push(alert)
  for (const version of [2, 2, 1, 3]) await handle(signed(alertOf(version), { id: `a-${version}` }), work)
  expect(worked).toEqual([alertOf(2), alertOf(3)])
})

test('the same version under another id, as another endpoint gets it, is a repeat of what was told', async () => {
  const { handle } = receiver()
  await handle(signed(changed(2, ['A']), { id: 'a-1' }), noWork)
  expect(await handle(signed(changed(2, ['A']), { id: 'a-2' }), () => expect.unreachable())).toMatchObject({
    outcome: { kind: 'repeat' },
  })
  // That one's filter lets more through.
  const more = await handle(signed(changed(2, ['A', 'B']), { id: 'a-3' }), noWork)
  expect(more).toMatchObject({ outcome: { kind: 'older', late: changed(2, ['B']) } })
})

test('registrations do not disturb each other, nor an endpoint of the same name', async () => {
  const { receive } = receiver()
  const store = { clientId: 'client', referenceMerchantId: '*', referenceStoreId: 'shop-1' }
  const ofStore = { ...changed(9), data: { ...changed(9).data, registration: store } }
  const first = await receive(signed(ofStore, { id: 'a-1' }))
  expect(first).toMatchObject({ kind: 'alert' })
  expect(await receive(signed(endpointChanged(1), { id: 'a-2' }))).toMatchObject({ kind: 'alert' })
  expect(await receive(signed(changed(1), { id: 'a-3' }))).toMatchObject({ kind: 'alert' })
})
