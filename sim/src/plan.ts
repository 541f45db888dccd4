import { z } from 'zod'
import { faultKinds } from './fault-kinds.ts'
import { createRandom, type Random } from './random.ts'

const plannedRecord = z.object({
  /** After the one before. */
  afterMs: z.number(),
  clientId: z.string(),
  /** Whose key it carries; null: as of a sender that names no merchant. */
  merchant: z.string().nullable(),
  body: z.string(),
  /** How long before its append it was signed; negative: by a clock that is ahead. */
  signedBeforeMs: z.number(),
})

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
  const count = 6 + random.below(random.pick([8, 16, 30]))
  const records: PlannedRecord[] = []
  while (records.length < count) {
    const earlier = records[random.below(Math.max(1, records.length))]
    const said = earlier !== undefined && random.chance(0.25) ? earlier : statementOf(random)
    const afterMs = isLong && random.chance(0.1) ? 15 * dayMs : random.below(2 * pace)
    // Sent again, perhaps with the time of the first copy.
    const isFrozen = said === earlier && random.chance(0.5)
    const signedBeforeMs = isFrozen ? said.signedBeforeMs + afterMs : signedBefore(random)
    const body = said === earlier && random.chance(0.3) ? reordered(said.body) : said.body
    records.push({ ...said, body, afterMs, signedBeforeMs })
  }
  return records
}

/** The same said in another order. */
function reordered(body: string): string {
  const listed = /^(.*"pspRegistrationResultList":)(\[.*\])\}$/.exec(body)
  if (listed === null) return body
  const [, head = '', list = ''] = listed
  return `${head}${JSON.stringify(z.array(z.unknown()).parse(JSON.parse(list)).toReversed())}}`
}

function signedBefore(random: Random): number {
  return random.pick([secondMs, random.below(50) * hourMs, random.below(100) * minuteMs, -minuteMs])
}

function statementOf(random: Random): Omit<PlannedRecord, 'afterMs'> {
  const clientId = random.pick(['client', 'client', 'client', 'other'])
  const merchant = random.pick(['M', 'M', 'N'])
  if (random.chance(0.06)) {
    const body = random.pick(['', '[]', '{}', '{"referenceMerchantId":"M"}', '{"referenceMerchantId":7}'])
    return { clientId, merchant: random.pick([merchant, null]), body, signedBeforeMs: 0 }
  }
  const body = {
    referenceMerchantId: merchant,
    referenceStoreId: random.pick([undefined, null, '', 'S', 'S']),
    registrationRequestId: random.pick([undefined, '', 'R1', 'R1', 'R2', 'R3']),
    registrationResult: { registrationStatus: random.pick(['PENDING', 'PENDING', 'COMPLETED']) },
    pspRegistrationResultList: Array.from({ length: random.below(4) }, () => itemOf(random)),
  }
  return { clientId, merchant, body: JSON.stringify(body), signedBeforeMs: 0 }
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
