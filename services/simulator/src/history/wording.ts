import type { Item, LifeHistory, Snapshot } from './life-history.ts'
import type { Random } from './random.ts'

const members = [
  'referenceMerchantId',
  'referenceStoreId',
  'registrationRequestId',
  'registrationResult',
  'pspRegistrationResultList',
] as const

/** How a snapshot is written down; whatever it is, it means the same. */
export type Wording = {
  /** Blanks per level; 0 writes one line. */
  indent: 0 | 2 | 4
  /** Members that are not given: present as null, or absent. */
  nulls: boolean
  memberOrder: readonly (typeof members)[number][]
  /** `rejectReasons: ["…"]`, as one SDK has it, in place of `rejectionReason: "…"`. */
  reasonsAsList: boolean
}

/** Spellings that the AMS dialect uses for MPPs that Alipay+ names differently. */
const amsPspNames: Readonly<Record<string, string>> = { ALIPAY_CN: 'AlipayCN' }

export function createWording(random: Random, dialect: LifeHistory['dialect']): Wording {
  return {
    indent: random.pick([0, 0, 2, 4]),
    nulls: random.chance(0.3),
    memberOrder: random.chance(0.5) ? members : random.shuffled(members),
    reasonsAsList: dialect === 'ams' && random.chance(0.2),
  }
}

/** The body of a snapshot's notification: the same bytes every time. */
export function writeBody({ registration, dialect }: LifeHistory, snapshot: Snapshot): Buffer {
  const { wording } = snapshot
  const content = {
    referenceMerchantId: registration.referenceMerchantId,
    referenceStoreId: registration.referenceStoreId,
    registrationRequestId: snapshot.round,
    registrationResult: { registrationStatus: snapshot.collectiveStatus },
    pspRegistrationResultList:
      snapshot.items?.map((item) => (dialect === 'ams' ? amsItem(item, wording) : alipayPlusItem(item))) ??
      null,
  }
  const body = Object.fromEntries(wording.memberOrder.map((member) => [member, content[member]]))
  return Buffer.from(
    JSON.stringify(
      body,
      (_, value: unknown) => (value === null && !wording.nulls ? undefined : value),
      wording.indent,
    ),
  )
}

function alipayPlusItem(item: Item) {
  return {
    productCodes: item.productCodes,
    pspName: item.pspName,
    registrationResult: { registrationStatus: item.status, rejectionReason: item.rejectionReason },
  }
}

/** AMS names no products, and answers a null status for an MPP that has not answered. */
function amsItem(item: Item, wording: Wording) {
  const { rejectionReason } = item
  return {
    pspName: amsPspNames[item.pspName] ?? item.pspName,
    registrationResult: {
      registrationStatus: item.status === 'PENDING' ? null : item.status,
      ...(wording.reasonsAsList && rejectionReason !== null
        ? { rejectReasons: [rejectionReason] }
        : { rejectionReason }),
    },
  }
}
