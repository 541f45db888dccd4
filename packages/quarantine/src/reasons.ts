import type { IngressReason } from '@signalbox/contracts/quarantine-record'
import type { QuarantineReason } from '@signalbox/registration/observation'

export type SetAsideReason = QuarantineReason | IngressReason

/** What a person needs to know about a reason. */
export type ReasonGuide = {
  /** Who sets records aside for it. */
  by: 'ingress' | 'processor' | 'ingress, processor'
  meaning: string
  whatToDo: string
}

/** Every reason for which a record is set aside: a closed list, in the order in which a record is looked at. */
export const reasonGuides = {
  over_age: {
    by: 'ingress',
    meaning: 'The Request-Time was older than MAX_REQUEST_AGE_MS allows; the sender was refused.',
    whatToDo:
      'Find out why it came so late: a replay, or a sender that had no answer for long. If it is wanted, put it back: the fold takes old mail for what it is.',
  },
  not_json_object: {
    by: 'ingress, processor',
    meaning: 'The bytes are signed, but they are not one JSON object in valid UTF-8.',
    whatToDo:
      'Show the bytes and tell the sender. Nothing can be put back as long as nobody can read it; the next correct notification brings the whole state.',
  },
  unroutable: {
    by: 'ingress',
    meaning: 'The body names neither referenceMerchantId nor registrationRequestId as a non-empty text.',
    whatToDo:
      'Show it. If the merchant is known from elsewhere, put it back with --attributed-to; else tell the sender.',
  },
  unreadable_record: {
    by: 'processor',
    meaning:
      'The record is not one that an ingress or a console writes: its headers, its key or its value do not fit.',
    whatToDo:
      'Find who else writes to registration.raw.v1 and take that right away. A wrong key is corrected by putting the record back; missing headers cannot be.',
  },
  too_deep: {
    by: 'processor',
    meaning: 'The JSON is nested deeper than 32 levels.',
    whatToDo:
      'No real notification is. Show it and tell the sender; put it back only after the limit was raised.',
  },
  too_many_tokens: {
    by: 'processor',
    meaning: 'The JSON has far more structure than its length explains.',
    whatToDo:
      'No real notification has. Show it and tell the sender; put it back only after the limit was raised.',
  },
  duplicate_member: {
    by: 'processor',
    meaning: 'A member that is used stands twice in one object, so it does not say one thing.',
    whatToDo: 'Show it and tell the sender. The next correct notification brings the whole state.',
  },
  wrong_type: {
    by: 'processor',
    meaning: 'A member has another JSON type than the documents say.',
    whatToDo:
      'Look whether the documents have changed. If so, update Signalbox and put the records back by this reason; else tell the sender.',
  },
  invalid_text: {
    by: 'processor',
    meaning: 'An id, an MPP or a product code holds half a character or NUL.',
    whatToDo: 'Show it and tell the sender. The next correct notification brings the whole state.',
  },
  missing_member: {
    by: 'processor',
    meaning: 'A required member is missing or empty.',
    whatToDo:
      "Check the client's dialect in the clients file: AMS leaves out what Alipay+ must send. A record keeps the dialect it came with, so after a correction wait for the next notification or ask with an inquiry.",
  },
  unknown_status: {
    by: 'processor',
    meaning: 'A registrationStatus is not one of the documented values.',
    whatToDo:
      'Look whether the documents name it by now. If so, update Signalbox and put the records back by this reason; else ask the sender what it means.',
  },
  over_long_id: {
    by: 'processor',
    meaning: 'A merchant, store or request id is longer than the documents allow.',
    whatToDo:
      'Compare it with what you registered. Tell the sender, or update Signalbox if the limit has changed.',
  },
  unattributable: {
    by: 'processor',
    meaning: 'The notification names no merchant, only a registrationRequestId.',
    whatToDo:
      'Show it for the request id, look up for which merchant you sent that registration, and put it back with --attributed-to. The view cannot be searched by request id.',
  },
  store_missing: {
    by: 'processor',
    meaning: 'The client is in merchant-presented push mode, where a store is required, and none is named.',
    whatToDo:
      'Check `push` of the client in the clients file. A record keeps the mode it came with: after a correction wait for the next notification or ask with an inquiry.',
  },
  implausible_time: {
    by: 'processor',
    meaning: 'A Request-Time, or the time of a command, is more than 48 hours ahead of the arrival.',
    whatToDo:
      "Check the sender's clock. Put the record back when that time is less than 48 hours ahead, or not at all: it outranks what is signed earlier.",
  },
  too_many_rounds: {
    by: 'processor',
    meaning: 'The registration has had 64 request ids, and this would be another.',
    whatToDo:
      'Find out why it is registered again and again. After an erasure of the registration the record can be put back.',
  },
  registration_too_large: {
    by: 'processor',
    meaning: 'With it, the change or the state of the registration would not fit into a record.',
    whatToDo:
      'Show it: no real registration has tens of thousands of entries. Put it back only after max.message.bytes of the topics was raised.',
  },
} as const satisfies Record<SetAsideReason, ReasonGuide>

/** Every reason, in the order of the list. */
export const reasons: readonly string[] = Object.keys(reasonGuides)

const guidesByName: ReadonlyMap<string, ReasonGuide> = new Map(Object.entries(reasonGuides))

const unknownReason: ReasonGuide = {
  by: 'processor',
  meaning: 'This version does not know the reason: a newer one has set the record aside.',
  whatToDo: 'Use the version of the command line or console that runs as processor.',
}

/** The guide to a reason as read from a record, which a newer version may have written. */
export function guideTo(reason: string): ReasonGuide {
  return guidesByName.get(reason) ?? unknownReason
}
