import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fold } from './fold.ts'
import { foldLog, registersOf } from './fold-log.fixture.ts'
import type { Notification } from './observation.ts'
import { packContents, packPublished, packRegistration, unpackRegistration } from './packed.ts'
import { anyHistory, soundHistory } from './random-history.fixture.ts'
import { emptyRegistration, type Registration } from './registration.ts'
import { answer, erase, open, registersAfter, say, sayEntry, startMs } from './said.fixture.ts'
import type { Statement } from './statement.ts'

test('what is packed comes back whole', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      for (const registration of foldLog(history).registrations.values()) {
        expect(unpackRegistration(packRegistration(registration))).toStrictEqual(registration)
        expect(unpackRegistration(packPublished(registration))).toStrictEqual({
          ...registration,
          contents: [],
        })
      }
    }),
    { numRuns: 200 },
  )
  expect(unpackRegistration(packRegistration(emptyRegistration))).toEqual(emptyRegistration)
})

/** Holds every kind of register, and texts that need care. */
const everything = {
  ...[
    say({ atMs: 0, round: 'R0', collective: null, selfContradiction: true, entries: { GCASH: 'APPROVED' } }),
    say({
      atMs: -1,
      round: 'R0',
      unusualValue: true,
      entries: { GCASH: 'REJECTED', 'MPP "\n\\ 微信': 'PENDING' },
    }),
    say({ atMs: 9, round: null, collective: 'COMPLETED' }),
    sayEntry({ atMs: 9, pspName: 'ALIPAY_CN', reportedPspName: 'AlipayCN' }),
    sayEntry({ atMs: 9, status: 'REJECTED', rejectionReason: 'half \ud83d of a pair' }),
    sayEntry({ atMs: 8, status: 'CANCELLED', rejectionReason: 'x'.repeat(40) }),
    open('R2', 5, ['CASHIER_PAYMENT', 'NEW']),
    open('R0', -5),
    answer({
      atMs: 20,
      round: 'R0',
      collective: 'COMPLETED',
      entries: { GCASH: 'CANCELLED', DANA: 'PENDING' },
    }),
    answer({ atMs: 21, round: null, collective: null, entries: { DANA: 'APPROVED' } }),
  ].reduce(fold1, [erase(-10)].reduce(fold1, emptyRegistration)),
  version: 70_000,
}

function fold1(known: Registration, said: Statement): Registration {
  const decision = fold(known, said)
  if (decision.outcome === 'quarantined' || decision.next === null) throw new Error(decision.outcome)
  return decision.next
}

test('every register comes back whole, and so does the view as it was published', () => {
  const view = { ...everything.view, flags: ['reversal', 'unusual_value'] as const, erasedAtMs: startMs }
  const published = { ...everything, view }
  expect(unpackRegistration(packRegistration(published))).toStrictEqual(published)
  expect(everything.registers.erasedAtMs).toBe(startMs - 10)
  expect(everything.registers.inquiry.entries).toHaveLength(2)
  expect(everything.contents).toHaveLength(8)
})

test('each kind of register stands where it always did', () => {
  expect(packPublished(everything)).toMatchInlineSnapshot(`
    "3DBCR0B-_5qw-k9CBHABCR2ABUCFBDNEWBCR1BGAADABBAAABCAAAAEBAABCATACPJACAABBACAABCABBKMPP "
    \\ 微信JAABCBBKBAABBAUABLJ9BCCABBABBoBxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxABECQoDhDsDmDgB9h2BgBvDmDgBhDgBwDhDpDyDCAABYBBBECRJCBAAPJBDAEB7BwrkCBAELJCQRJBAPJDAMJAACACA"
  `)
})

test('of many ranks each comes back as it was', () => {
  const said = Array.from({ length: 100 }, (_, index) =>
    sayEntry({ atMs: index % 50, pspName: `PSP${100 + index}`, status: 'APPROVED' }),
  )
  const registration = { ...emptyRegistration, registers: registersAfter(...said) }
  expect(unpackRegistration(packRegistration(registration))).toStrictEqual(registration)
})

test('a packed text has a UTF-8 form', () => {
  expect(packRegistration(everything).isWellFormed()).toBe(true)
})

test('equal registers give equal texts, whatever the order of the mail', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      const packed = (mail: typeof history) =>
        packPublished({ ...emptyRegistration, registers: registersOf(mail) })
      expect(packed(history.toReversed())).toBe(packed(history))
    }),
    { numRuns: 200 },
  )
})

const signedAtMs = Date.UTC(2020, 8, 18, 11)
const [ordinary] = foldLog(
  [0, 1, 2, 3].map(
    (answered): Notification => ({
      clientId: 'SANDBOX_5X00000000000000',
      dialect: 'alipayplus',
      push: false,
      referenceMerchantId: '2188120000190000',
      referenceStoreId: '340000',
      registrationRequestId: '2020091811058602000006001420000',
      requestTimeMs: signedAtMs + answered * 3_600_000,
      appendTimeMs: signedAtMs + answered * 3_600_000,
      collectiveStatus: answered === 3 ? 'COMPLETED' : 'PENDING',
      items: ['ALIPAY_CN', 'GCASH', 'RABBIT_LINE_PAY'].map((pspName, index) => ({
        pspName,
        status: index >= answered ? 'PENDING' : index === 1 ? 'REJECTED' : 'APPROVED',
        rejectionReason: index === 1 && answered > 1 ? 'rejectionReason message' : null,
        productCodes: ['IN_STORE_PAYMENT'],
      })),
    }),
  ),
).registrations.values()

test('an ordinary registration, three MPPs in one round, packs into 200 bytes', () => {
  expect(packRegistration(ordinary ?? emptyRegistration)).toMatchInlineSnapshot(
    `"3BBf2020091811058602000006001420000Bg4577gl9CAABECBADDBg4lzUAAACDA_n37GADLDABABAgo37GPDABBBBXrejectionReason messageAZDABABAAAAAAAAEBBDLDBAPDCGZDBAAA61JXybqqDeokg5MJUTOSkAx0hPHBfIf1lcRpmZ6laKuy"`,
  )
  expect(packRegistration(ordinary ?? emptyRegistration).length).toBeLessThanOrEqual(200)
})

test('any other text is refused, never thrown at', () => {
  // Any text behind the letter of the format.
  const aboutRight = fc
    .string({ unit: fc.constantFrom(...Array.from('AAABCDEFGg_-x0')) })
    .map((body) => `3${body}`)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), aboutRight), (text) => {
      // Whatever is let through is a value that can be packed.
      const unpacked = unpackRegistration(text)
      expect(unpacked && unpackRegistration(packRegistration(unpacked))).toEqual(unpacked)
    }),
    { numRuns: 2_000 },
  )
})

test('a text that is cut or has something added is refused', () => {
  const published = packPublished(everything)
  for (let place = 0; place < published.length; place += 1) {
    expect(unpackRegistration(published.slice(0, place))).toBe(null)
  }
  expect(unpackRegistration(`${packRegistration(everything)}A`)).toBe(null)
})

test('the hashes of contents can be added later', () => {
  expect(packPublished(everything) + packContents(everything)).toBe(packRegistration(everything))
})

test('a text of another format is refused', () => {
  expect(unpackRegistration(packRegistration(emptyRegistration).replace('3', '2'))).toBe(null)
})
