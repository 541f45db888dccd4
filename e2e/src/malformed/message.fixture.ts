/** A message as its parts of JSON text, so that each part can be wrong in any way; undefined leaves a member out. */
export type Message = {
  merchant?: string | undefined
  store?: string | undefined
  round?: string | undefined
  /** The member registrationResult. */
  result?: string | undefined
  /** The member pspRegistrationResultList; by default the items. */
  list?: string | undefined
  items?: readonly string[]
  /** Whole members that come last. */
  more?: readonly string[]
}

/** One item of the list, in the same way. */
export type Item = {
  psp?: string | undefined
  codes?: string | undefined
  /** The member registrationResult; by default one with these. */
  result?: string | undefined
  status?: string | undefined
  reason?: string | undefined
  more?: readonly string[]
}

/** JSON text of a message that is sound but for what is given. */
export function messageText(given: Message): string {
  const items = given.items ?? [itemText({}), itemText({ psp: '"TNG"' }), itemText({ psp: '"KAKAOPAY"' })]
  return objectText([
    ['referenceMerchantId', given.merchant],
    ['referenceStoreId', 'store' in given ? given.store : '"S1"'],
    ['registrationRequestId', 'round' in given ? given.round : '"R1"'],
    ['registrationResult', 'result' in given ? given.result : '{"registrationStatus":"PENDING"}'],
    ['pspRegistrationResultList', 'list' in given ? given.list : `[${items.join(',')}]`],
    ...(given.more ?? []).map((member) => [null, member] as const),
  ])
}

export function itemText(given: Item): string {
  const result = objectText([
    ['registrationStatus', 'status' in given ? given.status : '"APPROVED"'],
    [null, given.reason],
  ])
  return objectText([
    ['pspName', 'psp' in given ? given.psp : '"GCASH"'],
    ['productCodes', 'codes' in given ? given.codes : '["IN_STORE_PAYMENT"]'],
    ['registrationResult', 'result' in given ? given.result : result],
    ...(given.more ?? []).map((member) => [null, member] as const),
  ])
}

function objectText(members: readonly (readonly [string | null, string | undefined])[]): string {
  const texts = members.flatMap(([name, value]) => {
    if (value === undefined) return []
    return [name === null ? value : `"${name}":${value}`]
  })
  return `{${texts.join(',')}}`
}
