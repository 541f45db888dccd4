import { emptyRegistration } from '@signalbox/registration/registration'
import { foldVersion } from '@signalbox/registration/fold'
import { packRegistration } from '@signalbox/registration/packed'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packStored, unpackStored } from './stored-registration.ts'

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

test.each([
  ['nothing', ''],
  ['no line break', packStored(stored).replace('\n', '')],
  ['a head with a member too few', packStored(stored).replace('.', '')],
  ['a registration that is cut', packStored(stored).slice(0, -1)],
])('what is damaged is never taken for a registration: %s', (_, text) => {
  expect(() => unpackStored(text)).toThrow(/damaged/)
})

test('what a build of fold version 1 wrote is read', () => {
  const head = JSON.stringify([1, '9', 'n', '2024-01-02T03:04:05Z', '7', 1])
  const text = `${head}\n${packRegistration(emptyRegistration)}`
  expect(unpackStored(text)).toEqual(stored)
})

test('what a later fold wrote is not read', () => {
  const later = packStored(stored).replace(String(foldVersion), String(foldVersion + 1))
  expect(() => unpackStored(later)).toThrow(/run the later build/)
})
