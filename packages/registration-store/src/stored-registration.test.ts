import { crc32 } from 'node:zlib'
import { emptyRegistration } from '@signalbox/registration/registration'
import { foldVersion } from '@signalbox/registration/fold'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  DamagedView,
  inspectStored,
  packForBoth,
  packStored,
  readStored,
  unpackStored,
} from './stored-registration.ts'

const uuid = '01890a5d-ac96-774b-bcce-b302099a8057'
const cause = { notificationId: 'n', requestTime: '2024-01-02T03:04:05Z', offset: '7', appendTimeMs: 1 }
const stored = { registration: emptyRegistration, rev: '9', cause }

const times = [
  '2024-01-02T03:04:05Z',
  '2024-01-02T03:04:05.000Z',
  '2024-01-02T03:04:05+08:00',
  '2024-01-02T03:04:05.678-03:30',
  '2024-01-02T03:04:05-00:00',
  '2024-01-02T03:04:05.1234567+05:30',
  '2024-02-30T03:04:05Z',
  '0001-01-01T00:00:00+23:59',
  '1704164645000',
  '01704164645000',
  '',
]

test.each(times)('a time comes back letter by letter: "%s"', (requestTime) => {
  const given = { ...stored, cause: { ...cause, notificationId: uuid, requestTime } }
  expect(unpackStored(packStored(given))).toEqual(given)
})

test('what an ordinary notification leaves beside its registration takes 50 letters', () => {
  const appendTimeMs = Number.parseInt('01890a5dac96', 16) + 12
  const requestTime = new Date(appendTimeMs - 1_234).toISOString().replace('Z', '+00:00')
  const ordinary = { notificationId: uuid, requestTime, offset: '987654321', appendTimeMs }
  const [head = ''] = packStored({ ...stored, rev: '987654321', cause: ordinary }).split('\n')
  expect(head.length).toBeLessThanOrEqual(50)
})

test('a stored registration comes back as it was', () => {
  const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)
  const anyText = fc.string({ unit: 'binary' })
  const time = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.date({ noInvalidDate: true }).map((date) => String(date.getTime())),
    fc.constantFrom(...times),
  )
  const given = fc.record({
    registration: fc.nat().map((version) => ({ ...emptyRegistration, version })),
    rev: offset,
    cause: fc.record({
      notificationId: fc.oneof(fc.uuid(), anyText),
      requestTime: fc.oneof(time, anyText),
      offset,
      appendTimeMs: fc.nat({ max: 4_000_000_000_000 }),
    }),
  })
  fc.assert(
    fc.property(given, (registration) => {
      expect(unpackStored(packStored(registration))).toEqual(registration)
    }),
  )
})

test('what a state record keeps comes back without the hashes of contents, and the view has these too', () => {
  const contents = ['abcdefghijk', 'lmnopqrstuv']
  const given = { ...stored, registration: { ...emptyRegistration, version: 3, contents } }
  const both = packForBoth(given)
  expect(unpackStored(both.stored)).toEqual(given)
  expect(unpackStored(both.kept)).toEqual({ ...given, registration: { ...given.registration, contents: [] } })
})

test('damage is noticed, wherever it is', () => {
  const contents = ['abcdefghijk', 'lmnopqrstuv']
  const text = packStored({ ...stored, registration: { ...stored.registration, contents } })
  expect(inspectStored(text)).toEqual({ foldVersion, hasKnownFormat: true })
  for (let place = 0; place < text.length; place += 1) {
    const [before, letter, after] = [text.slice(0, place), text.charAt(place), text.slice(place + 1)]
    for (const damaged of [before, before + after, `${before}${letter === 'a' ? 'b' : 'a'}${after}`]) {
      expect(inspectStored(damaged)).toBe(null)
      expect(readStored(damaged)).toBe(null)
      expect(() => unpackStored(damaged)).toThrow(DamagedView)
    }
  }
})

test('an older form that is not known any more cannot be read, and that is told from a later build', () => {
  const [head = '', registration = ''] = packStored(stored).slice(7).split('\n')
  const older = `${head}\n1${registration.slice(1)}`
  const text = crc32(older).toString(36).padStart(7, '0') + older
  expect(inspectStored(text)).toEqual({ foldVersion, hasKnownFormat: false })
  expect(readStored(text)).toBe(null)
  expect(() => unpackStored(text)).toThrow(DamagedView)
})

test('what a later fold wrote is not read', () => {
  const rest = packStored(stored).slice(7)
  const later = String(foldVersion + 1) + rest.slice(1)
  const text = crc32(later).toString(36).padStart(7, '0') + later
  expect(() => unpackStored(text)).toThrow(/run the later build/)
})
