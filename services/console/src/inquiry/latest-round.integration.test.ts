import { randomUUID } from 'node:crypto'
import { merchantKey, type RegistrationRef } from '@signalbox/contracts/keys'
import { partitionOf } from '@signalbox/kafka/partition'
import {
  openRegistrationStore,
  type WrittenRegistration,
} from '@signalbox/registration-store/registration-store'
import { expect, inject, onTestFinished, test } from 'vitest'
import { namedRegistration } from '../named-registration.fixture.ts'
import { createLatestRound } from './latest-round.ts'

const partitions = 3
const silent = { info: () => {}, warn: () => {} }
const m1: RegistrationRef = { clientId: 'C1', referenceMerchantId: 'M1', referenceStoreId: null }

/** The look-up over a real view that holds this registration of `m1`, or is only being made. */
async function openLookUp(written: WrittenRegistration | null, watermark = 'w1') {
  const keyPrefix = `test-${randomUUID()}:`
  const store = await openRegistrationStore({ url: inject('redisUrl'), keyPrefix, log: silent })
  onTestFinished(() => store[Symbol.asyncDispose]())
  await store.save({
    partition: partitionOf(merchantKey(m1), partitions),
    expected: null,
    next: watermark,
    registrations: written === null ? [] : [written],
    removed: [],
    attention: [],
    counted: null,
  })
  return createLatestRound({ store, partitions })
}

const known = namedRegistration({ round: 'R1' })

test('the latest round is the one to ask for', async () => {
  const latestRound = await openLookUp(known)
  expect(await latestRound(m1)).toEqual({ kind: 'known', round: 'R1' })
})

test('of a registration that nobody knows there is none', async () => {
  const latestRound = await openLookUp(null)
  expect(await latestRound(m1)).toEqual({ kind: 'known', round: null })
})

test('what is erased is told', async () => {
  const latestRound = await openLookUp(namedRegistration({ erasedAtMs: 1_700_000_000_000 }))
  expect(await latestRound(m1)).toEqual({ kind: 'erased' })
})

test('while the view is being made nothing is known', async () => {
  const latestRound = await openLookUp(known, 'rebuilding:1')
  expect(await latestRound(m1)).toEqual({ kind: 'unknown' })
})

test('one that is damaged throws, and the next one does not', async () => {
  const latestRound = await openLookUp({ registration: m1, packed: 'damaged' })
  await expect(latestRound(m1)).rejects.toThrow()
  expect(await latestRound({ ...m1, referenceStoreId: 'S1' })).toEqual({ kind: 'known', round: null })
})
