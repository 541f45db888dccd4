import type { RegistrationTruth } from '@signalbox/contracts/simulator-files'
import type { Dialect } from '../history/life-history.ts'

type Entry = RegistrationTruth['entries'][number]
type Result = { resultCode: string; resultStatus: 'S' | 'F' | 'U'; resultMessage: string }

/** Answers that tell no state. */
export const failures = {
  INVALID_CLIENT: failure('F', 'INVALID_CLIENT', 'The client is invalid.'),
  INVALID_SIGNATURE: failure('F', 'INVALID_SIGNATURE', 'The signature is invalid.'),
  PARAM_ILLEGAL: failure('F', 'PARAM_ILLEGAL', 'Illegal parameters.'),
  RECORD_NOT_FOUND: failure('F', 'RECORD_NOT_FOUND', 'The record is not found.'),
  UNKNOWN_EXCEPTION: failure('U', 'UNKNOWN_EXCEPTION', 'An API call failed, for unknown reasons.'),
} as const

/** The answer to an inquiry about a registration that stands so; AMS names no products. */
export function answerBody({ collectiveStatus, entries }: RegistrationTruth, dialect: Dialect): Buffer {
  const result: Result = { resultCode: 'SUCCESS', resultStatus: 'S', resultMessage: 'Success' }
  const said = Map.groupBy(entries, ({ pspName, status, rejectionReason }) =>
    JSON.stringify([pspName, status, rejectionReason]),
  )
  return write({
    result,
    registrationResult: { registrationStatus: collectiveStatus },
    ...(entries.length === 0
      ? {}
      : { pspRegistrationResultList: [...said.values()].flatMap((same) => itemOf(same, dialect)) }),
  })
}

/** Entries about which one MPP says the same make one item. */
function itemOf(entries: readonly Entry[], dialect: Dialect): object[] {
  const [first] = entries
  if (first === undefined) return []
  const { pspName, status, rejectionReason } = first
  return [
    {
      pspName,
      ...(dialect === 'ams' ? {} : { productCodes: entries.map(({ productCode }) => productCode) }),
      registrationResult: {
        registrationStatus: status,
        ...(rejectionReason === null ? {} : { rejectionReason }),
      },
    },
  ]
}

function failure(resultStatus: 'F' | 'U', resultCode: string, resultMessage: string): Buffer {
  return write({ result: { resultCode, resultStatus, resultMessage } satisfies Result })
}

/** Laid out as some senders do it, so that whoever writes it anew is found out by the signature. */
function write(body: object): Buffer {
  return Buffer.from(JSON.stringify(body, null, 2))
}
