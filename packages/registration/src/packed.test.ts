import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { packText } from './codec.ts'
import { fold } from './fold.ts'
import { foldLog, registersOf } from './fold-log.fixture.ts'
import type { Notification } from './observation.ts'
import { packRegisters, packRegistration, unpackRegisters, unpackRegistration } from './packed.ts'
import { anyHistory, soundHistory } from './random-history.fixture.ts'
import { emptyRegistration, type Registration } from './registration.ts'
import { answer, erase, open, registersAfter, say, sayEntry, startMs } from './said.fixture.ts'
import type { Statement } from './statement.ts'

test('what is packed comes back whole', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      for (const registration of foldLog(history).registrations.values()) {
        expect(unpackRegistration(packRegistration(registration))).toStrictEqual(registration)
        expect(unpackRegisters(packRegisters(registration.registers))).toStrictEqual(registration.registers)
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
  expect(packRegisters(everything.registers)).toMatchInlineSnapshot(`
    "2Fh4DBCR0B-_5qw-k9CBHABCR2ABUCFBDNEWBCR1BGAADABBAAABCAAAAEBAABCATACPJACAABBACAABCABBKMPP "
    \\ 微信JAABCBBKBAABBAUABLJ9BCCABBABBoBxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxABECQoDhDsDmDgB9h2BgBvDmDgBhDgBwDhDpDyDCAABYBBBECRJCBAAPJBDAEB7B"
  `)
})

test('of many ranks each comes back as it was', () => {
  const said = Array.from({ length: 100 }, (_, index) =>
    sayEntry({ atMs: index % 50, pspName: `PSP${100 + index}`, status: 'APPROVED' }),
  )
  const registers = registersAfter(...said)
  expect(unpackRegisters(packRegisters(registers))).toStrictEqual(registers)
})

test('a packed text has a UTF-8 form', () => {
  expect(packRegistration(everything).isWellFormed()).toBe(true)
})

test('equal registers give equal texts, whatever the order of the mail', () => {
  fc.assert(
    fc.property(soundHistory, (history) => {
      expect(packRegisters(registersOf(history.toReversed()))).toBe(packRegisters(registersOf(history)))
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
    `"2piuEBBDLDBAPDCBXrejectionReason messageZDBAAABBf2020091811058602000006001420000Bg4577gl9CAABGCBADDBg4lzUAAACDA_n37GADLDABABAgo37GPDABBBEAZDABABAAAAAAAAEG_i39h6pmfLQHOu_4mmn9EoK0uyaXujWH8Rwj0hlmLRN"`,
  )
  expect(packRegistration(ordinary ?? emptyRegistration).length).toBeLessThanOrEqual(200)
})

/** As packed by the build before inquiries and commands; its content hashes are written otherwise now. */
const format1 = `[1,["ALIPAY_CN","IN_STORE_PAYMENT","GCASH","rejectionReason message","RABBIT_LINE_PAY","2020091811058602000006001420000","b7e6a7a87dde2fc6","4f679a6e3fb8e1d0","75a3b976b2bb42a8","d44b9a58748f047c"],[4,[1,[[0,1,1,null],[2,1,2,3],[4,1,1,null]],[]],[[[5,1600426800000,null]],[[5,[[1,[3,3,1,10800000],null,0],[0,[2,3,0,-3600000],null,0]],[[0,1,null,[[0,[3,3,1,3600000],null,0]]],[2,1,null,[[1,[3,3,1,0],3,0]]],[4,1,null,[[0,[3,3,1,0],null,0]]]],null,null]]],[6,7,8,9]]]`
const registersOfFormat1 = `[1,["2020091811058602000006001420000","ALIPAY_CN","IN_STORE_PAYMENT","GCASH","rejectionReason message","RABBIT_LINE_PAY"],[[[0,1600426800000,null]],[[0,[[1,[3,3,1,10800000],null,0],[0,[2,3,0,-3600000],null,0]],[[1,2,null,[[0,[3,3,1,3600000],null,0]]],[3,2,null,[[1,[3,3,1,0],4,0]]],[5,2,null,[[0,[3,3,1,0],null,0]]]],null,null]]]]`

describe('a text of format 1', () => {
  test('is read: it says the same, and knows of no inquiry and no command', () => {
    expect(unpackRegistration(format1)).toStrictEqual(ordinary)
    expect(unpackRegisters(registersOfFormat1)).toStrictEqual(ordinary?.registers)
  })

  test('with flags, doubts and rounds that were opened', () => {
    const text = '[1,["R","C"],[2,[null,[],[0,4]],[[[0,5,-1]],[[null,[],[],1,null]]],[]]]'
    expect(unpackRegistration(text)).toStrictEqual({
      version: 2,
      view: { ...emptyRegistration.view, flags: ['reversal', 'unusual_value'] },
      registers: {
        ...emptyRegistration.registers,
        rounds: [{ id: 'R', firstSeenMs: 5, openedAtMs: 4, productCodes: [] }],
        sightings: [
          { roundId: null, collective: [], entries: [], selfContradictionMs: 5, unusualValueMs: null },
        ],
      },
      contents: [],
    })
  })

  test('is refused when its structure is damaged', () => {
    for (const { index } of format1.matchAll(/[[\],"]/g)) {
      expect(unpackRegistration(format1.slice(0, index) + format1.slice(index + 1))).toBe(null)
      expect(unpackRegistration(format1.slice(0, index))).toBe(null)
    }
    expect(unpackRegistration(`${format1.slice(0, -1)},0]`)).toBe(null)
    expect(unpackRegistration(format1.replace('[3,3,1,', '[3,3,1,0,'))).toBe(null)
    expect(unpackRegistration(format1.replace('[1,', '[2,'))).toBe(null)
  })
})

test('any other text is refused, never thrown at', () => {
  const aboutRight = fc.json().map((json) => `[1,[],${json}]`)
  // Any text behind the right check letters.
  const letters = fc.string({ unit: fc.constantFrom(...Array.from('AAABCDEFGg_-x0')) })
  const checked = letters.map((body) =>
    packText(
      { pack: (_, into) => void (into.packed = body), unpack: () => null },
      { format: '2', value: null },
    ),
  )
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), aboutRight, checked), (text) => {
      // Whatever is let through is a value that can be packed.
      for (const unpacked of [unpackRegistration(text)?.registers, unpackRegisters(text)]) {
        expect(unpacked && unpackRegisters(packRegisters(unpacked))).toEqual(unpacked)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('damage to a packed text is noticed, wherever it is', () => {
  const packed = packRegistration(everything)
  for (let place = 0; place < packed.length; place += 1) {
    const [before, letter, after] = [packed.slice(0, place), packed.charAt(place), packed.slice(place + 1)]
    expect(unpackRegistration(before)).toBe(null)
    expect(unpackRegistration(before + after)).toBe(null)
    expect(unpackRegistration(`${before}${letter === 'A' ? 'B' : 'A'}${after}`)).toBe(null)
  }
  expect(unpackRegistration(`${packed}A`)).toBe(null)
})

test('a text of another format is refused', () => {
  expect(unpackRegistration(packRegistration(emptyRegistration).replace('2', '3'))).toBe(null)
  expect(unpackRegistration(packRegisters(emptyRegistration.registers))).toBe(null)
  expect(unpackRegisters(packRegistration(emptyRegistration))).toBe(null)
})
