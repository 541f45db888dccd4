import { z } from 'zod'
import { faultKinds } from './fault-kinds.ts'
import { createRandom, type Random } from './random.ts'

const said = {
  /** After the one before. */
  afterMs: z.number(),
  clientId: z.string(),
  body: z.string(),
  /** How long before its append it was signed; negative: by a clock that is ahead. */
  signedBeforeMs: z.number(),
}

const plannedRecord = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('notification'),
    ...said,
    /** Whose key it carries; null: as of a sender that names no merchant. */
    merchant: z.string().nullable(),
    /** Put back by a person who named this merchant. */
    attributedTo: z.string().optional(),
  }),
  z.object({
    kind: z.literal('inquiry'),
    ...said,
    merchant: z.string(),
    store: z.string().nullable(),
    round: z.string().nullable(),
  }),
  z.object({ kind: z.literal('command'), ...said, merchant: z.string() }),
])

/** One record that reaches the raw topic. */
export type PlannedRecord = z.infer<typeof plannedRecord>

const plannedFault = z.object({
  kind: z.enum(faultKinds),
  /** The step from which on it strikes, at the first occasion. */
  at: z.number(),
  /** From 0 to 1: decides how hard, how long, whom. */
  pick: z.number(),
})

export type PlannedFault = z.infer<typeof plannedFault>

/** Everything that happens in one run, and with the seed the order in which. */
export const plan = z.object({
  seed: z.number(),
  partitions: z.number(),
  processors: z.number(),
  fanOuts: z.number(),
  /** Most records that a chunk takes. */
  chunkSize: z.number(),
  /** A chunk with more output than this takes several turns. */
  outputBytes: z.number(),
  /** No more registrations come from one load, as if they were large. */
  mostPerLoad: z.number(),
  compactionLagMs: z.number(),
  records: z.array(plannedRecord).readonly(),
  faults: z.array(plannedFault).readonly(),
})

export type Plan = z.infer<typeof plan>

const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** When every run begins. */
export const startMs = Date.UTC(2024, 0, 1)

/** For so long at least a registration stays erased before it is forgotten. */
const forgettableMs = 31 * dayMs

/** The plan of a seed. */
export function planOf(seed: number): Plan {
  const random = createRandom(seed)
  const records = recordsOf(random)
  return {
    seed,
    partitions: random.pick([1, 1, 2]),
    processors: random.pick([1, 2, 2]),
    fanOuts: random.pick([1, 1, 2]),
    chunkSize: random.pick([1, 3, 8]),
    outputBytes: random.pick([1, 3_000, 1_000_000]),
    mostPerLoad: random.pick([1, 2, 1_000]),
    compactionLagMs: random.pick([0, hourMs, dayMs]),
    records,
    faults: faultsOf(random),
  }
}

function recordsOf(random: Random): PlannedRecord[] {
  const pace = random.pick([secondMs, 10 * minuteMs, 5 * hourMs])
  const isLong = random.chance(0.1)
  const erases = random.chance(0.25)
  const count = 6 + random.below(random.pick([8, 16, 30]))
  const records: PlannedRecord[] = []
  let nowMs = startMs
  while (records.length < count) {
    const afterMs = isLong && random.chance(0.1) ? 15 * dayMs : random.below(2 * pace)
    const record = nextRecord(records, { random, afterMs, nowMs: nowMs + afterMs, erases })
    nowMs += record.afterMs
    records.push(record)
  }
  return records
}

type Moment = { random: Random; afterMs: number; nowMs: number; erases: boolean }

function nextRecord(records: readonly PlannedRecord[], moment: Moment): PlannedRecord {
  const { random, afterMs, erases } = moment
  const erasure = erases ? records.findLast(isErasure) : undefined
  if (erasure !== undefined && random.chance(0.15)) return forgettingOf(erasure, random)
  const earlier = records[random.below(Math.max(1, records.length))]
  if (earlier === undefined || random.chance(0.75)) {
    return { ...statementOf(moment), afterMs, signedBeforeMs: signedBefore(random) }
  }
  // Sent again, perhaps with the time of the first copy.
  const signedBeforeMs = random.chance(0.5) ? earlier.signedBeforeMs + afterMs : signedBefore(random)
  const body = random.chance(0.3) ? reordered(earlier.body) : earlier.body
  if (earlier.kind === 'notification' && earlier.merchant === null && random.chance(0.7)) {
    const attributedTo = random.pick(['M', 'N'])
    return { ...earlier, merchant: attributedTo, attributedTo, afterMs }
  }
  return { ...earlier, body, afterMs, signedBeforeMs }
}

/** The same said in another order. */
function reordered(body: string): string {
  const listed = /^(.*"pspRegistrationResultList":)(\[.*\])\}$/.exec(body)
  if (listed === null) return body
  const [, head = '', list = ''] = listed
  return `${head}${JSON.stringify(z.array(z.unknown()).parse(JSON.parse(list)).toReversed())}}`
}

/** Mostly late; now and then by a clock that is far ahead, or too far to be believed. */
function signedBefore(random: Random): number {
  if (random.chance(0.04)) return -random.below(50) * hourMs
  return random.pick([secondMs, random.below(50) * hourMs, random.below(100) * minuteMs, -minuteMs])
}

type Statement = PlannedRecord extends infer One
  ? One extends unknown
    ? Omit<One, 'afterMs' | 'signedBeforeMs'>
    : never
  : never

const storeIds = [undefined, null, '', 'S', 'S'] as const

function statementOf(moment: Moment): Statement {
  const { random } = moment
  const clientId = random.pick(['client', 'client', 'client', 'other'])
  const merchant = random.pick(['M', 'M', 'N'])
  const kind = random.next()
  if (kind < 0.06) return malformed(random, { clientId, merchant })
  if (kind < 0.12) return commandOf(moment, { clientId, merchant })
  if (kind < 0.18) {
    const body = { result: { resultCode: 'SUCCESS', resultStatus: 'S' }, ...resultsOf(random) }
    return {
      kind: 'inquiry',
      clientId,
      merchant,
      store: random.pick([null, 'S', 'S']),
      round: random.pick([null, 'R1', 'R2', 'R9']),
      body: JSON.stringify(body),
    }
  }
  const isNamed = random.chance(0.96)
  const body = {
    referenceMerchantId: isNamed ? merchant : undefined,
    referenceStoreId: random.pick(storeIds),
    registrationRequestId: random.pick([undefined, '', 'R1', 'R1', 'R2', 'R3']),
    ...resultsOf(random),
  }
  return { kind: 'notification', clientId, merchant: isNamed ? merchant : null, body: JSON.stringify(body) }
}

function resultsOf(random: Random) {
  return {
    registrationResult: { registrationStatus: random.pick(['PENDING', 'PENDING', 'COMPLETED']) },
    pspRegistrationResultList: Array.from({ length: random.below(4) }, () => itemOf(random)),
  }
}

type Whose = { clientId: string; merchant: string }

function malformed(random: Random, { clientId, merchant }: Whose): Statement {
  const named = `"referenceMerchantId":"${merchant}"`
  const body = random.pick([
    '',
    '[]',
    '{}',
    '{"referenceMerchantId":7}',
    '{"result":{"resultCode":"BUSY","resultStatus":"U"}}',
    `{${named}`,
    `{${named},"registrationResult":{"registrationStatus":"DONE"}}`,
    `{${named},"registrationRequestId":"${'R'.repeat(65)}"}`,
    `{${named},"command":"registration.other"}`,
  ])
  const kind = random.pick(['notification', 'notification', 'notification', 'inquiry', 'command'])
  if (kind === 'inquiry') return { kind, clientId, merchant, store: null, round: null, body }
  if (kind === 'command') return { kind, clientId, merchant, body }
  const isNamed = body.includes(named) || random.chance(0.5)
  return { kind: 'notification', clientId, merchant: isNamed ? merchant : null, body }
}

function commandOf({ random, nowMs, erases }: Moment, { clientId, merchant }: Whose): Statement {
  const about = { referenceMerchantId: merchant, referenceStoreId: random.pick([undefined, 'S']) }
  const isErasing = erases && random.chance(0.6)
  const body = isErasing
    ? { command: 'registration.erased', ...about }
    : {
        command: 'registration.opened',
        ...about,
        registrationRequestId: random.pick(['R1', 'R2', 'R3']),
        openedAt: new Date(nowMs - signedBefore(random)).toISOString(),
        productCodes: random.pick([[], ['IN_STORE_PAYMENT']]),
      }
  return { kind: 'command', clientId, merchant, body: JSON.stringify(body) }
}

function isErasure({ kind, body }: PlannedRecord): boolean {
  return kind === 'command' && body.includes('"registration.erased"')
}

/** Whether it asks for what is left of an erased registration to go too. */
export function isForgetting({ kind, body }: PlannedRecord): boolean {
  return kind === 'command' && body.includes('"registration.forgotten"')
}

/** Mostly just in time, and sometimes too early. */
function forgettingOf(erasure: PlannedRecord, random: Random): PlannedRecord {
  const body = erasure.body.replace('registration.erased', 'registration.forgotten')
  const afterMs = forgettableMs + random.pick([-hourMs, 0, 0, dayMs])
  return { ...erasure, body, afterMs, signedBeforeMs: secondMs }
}

function itemOf(random: Random) {
  return {
    pspName: random.pick(['ALIPAY_CN', 'AlipayCN', 'GCASH']),
    registrationResult: {
      registrationStatus: random.pick(['PENDING', 'APPROVED', 'APPROVED', 'REJECTED', 'CANCELLED']),
      rejectionReason: random.pick([undefined, null, '', 'a', 'b']),
    },
    productCodes: random.pick([
      ['IN_STORE_PAYMENT'],
      ['CASHIER_PAYMENT', 'IN_STORE_PAYMENT'],
      ['NEW_PAYMENT'],
    ]),
  }
}

/** Some anywhere, and some close together, because harm mostly takes two of them. */
function faultsOf(random: Random): PlannedFault[] {
  const spread = random.pick([100, 300, 600])
  const faults: PlannedFault[] = []
  for (let groups = random.below(7); groups > 0; groups--) {
    const at = random.below(spread)
    for (let count = random.pick([1, 1, 2, 4]); count > 0; count--) {
      faults.push({ kind: random.pick(faultKinds), at: at + random.below(40), pick: random.next() })
    }
  }
  return faults.toSorted((a, b) => a.at - b.at)
}
