import { expect, test } from 'vitest'
import type { Measurement } from '../measure/measurement.ts'
import { headlineOf } from './results.ts'

const measured = (recordsPerSecond: number, cpuMicros = 1): Measurement => ({
  records: 1,
  seconds: 1,
  recordsPerSecond,
  cpuMicros,
  redisMicros: null,
  brokerMicros: null,
  rssMiB: 1,
})

const rebuild = (registrationsPerSecond: number) => ({
  registrations: 1,
  stateRecords: 1,
  seconds: 1,
  registrationsPerSecond,
  cpuMicros: 1,
})

test('ratios are taken within a round, so that a machine that drifts does not change them', () => {
  const headline = headlineOf({
    series: {
      fresh: [measured(100, 50), measured(1_000, 40), measured(10, 90)],
      repeated: [measured(200), measured(3_000), measured(25)],
      copied: [measured(400), measured(500), measured(300)],
      mixed: [measured(150), measured(150), measured(150)],
      obvious: [measured(5), measured(40), measured(0.4)],
    },
    rebuilds: [rebuild(30), rebuild(10), rebuild(20)],
  })
  expect(headline).toEqual({
    ratioToObvious: 25,
    cpuMicrosPerRecord: 50,
    recordsPerSecond: 100,
    repeatsPerSecond: 200,
    repeatsToFresh: 2.5,
    copiesPerSecond: 400,
    mixedPerSecond: 150,
    rebuildPerSecond: 20,
  })
})

test('a rebuild that was left out has no figure', () => {
  const series = {
    fresh: [measured(1)],
    repeated: [measured(1)],
    copied: [],
    mixed: [],
    obvious: [measured(1)],
  }
  expect(headlineOf({ series, rebuilds: [] })).toMatchObject({ rebuildPerSecond: null, mixedPerSecond: null })
})
