/** A sender: an address, and the name that mail programs show for it. */
export type Mailbox = { name: string; address: string }

const addressForm = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/
const namedForm = /^([^<>"\p{Cc}]{1,64}?)\s*<([^<>]+)>$/u

/** Reads `address` or `Name <address>`; null for anything else. */
export function parseMailbox(text: string): Mailbox | null {
  const [, name = 'Signalbox', address = text] = namedForm.exec(text) ?? []
  return isPlainAddress(address) ? { name: name.trim(), address } : null
}

/** One address, as a mail server takes it: no list, no comment, no quotes, nothing that could be a header. */
export function isPlainAddress(text: string): boolean {
  return addressForm.test(text)
}
