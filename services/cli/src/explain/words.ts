import { flagsOf } from '@signalbox/registration/flags'
import type { Flag, Registration, View } from '@signalbox/registration/registration'
import type { EntryStatus, Statement } from '@signalbox/registration/statement'

/** To the second, in UTC: `2026-11-22 09:30:05 UTC`. */
export function timeInWords(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** What a record says, in one sentence. */
export function statementInWords(said: Statement): string {
  switch (said.kind) {
    case 'notification':
      return `Alipay+, signed ${timeInWords(said.requestTimeMs)}: ${contentInWords(said)}`
    case 'inquiry':
      return `Alipay+, asked by us, answers at ${timeInWords(said.requestTimeMs)}: ${contentInWords(said)}`
    case 'opening':
      return `The acquirer opened round ${said.round} at ${timeInWords(said.openedAtMs)}${productsInWords(said.productCodes)}.`
    case 'erasure':
      return 'By command: erase this registration.'
    case 'forgetting':
      return 'By command: forget that this registration was erased.'
    default:
      return said satisfies never
  }
}

function contentInWords({
  round,
  collective,
  entries,
}: {
  round: string | null
  collective: string | null
  entries: readonly EntryWords[]
}): string {
  const about = round === null ? 'no round named' : `round ${round}`
  const all = collective === null ? 'no collective status' : collective
  const each = entries.map((entry) => `${nameOf(entry)} ${statusInWords(entry)}`)
  return `${about}, ${all}${each.length === 0 ? ', no entries' : `; ${each.join(', ')}`}.`
}

/** What is visible now that was not before, a line each. */
export function differencesBetween(before: View, { view, registers }: Registration): string[] {
  const known = new Map(before.entries.map((entry) => [nameOf(entry), entry]))
  const shown = new Set(view.entries.map(nameOf))
  const severities = new Map(flagsOf(registers).map(({ flag, severity }) => [flag, severity]))
  return [
    ...(view.erasedAtMs !== null && before.erasedAtMs === null
      ? ['Content and history are gone from the state; what was signed before now stays out.']
      : []),
    ...(before.collectiveStatus === view.collectiveStatus
      ? []
      : [`Collective status: ${before.collectiveStatus ?? 'none'} → ${view.collectiveStatus ?? 'none'}.`]),
    ...view.entries.flatMap((entry) => {
      const was = known.get(nameOf(entry))
      if (was === undefined) return [`${nameOf(entry)}: new, ${statusInWords(entry)}.`]
      if (statusInWords(was) === statusInWords(entry)) return []
      return [`${nameOf(entry)}: ${statusInWords(was)} → ${statusInWords(entry)}.`]
    }),
    ...before.entries.filter((entry) => !shown.has(nameOf(entry))).map((entry) => `${nameOf(entry)}: gone.`),
    ...view.flags
      .filter((flag) => !before.flags.includes(flag))
      .map((flag) => `Flag ${flag} (${severities.get(flag) ?? 'warn'}) is raised: ${meaningOfFlag[flag]}.`),
    ...before.flags
      .filter((flag) => !view.flags.includes(flag))
      .map((flag) => `Flag ${flag} is cleared: its condition no longer holds.`),
  ]
}

/** The visible state, a line each. */
export function viewInWords({ version, view }: Registration): string[] {
  if (version === 0) return ['Nothing is known of it.']
  return [
    `Version ${version}, ${view.collectiveStatus ?? 'no collective status'}${view.erasedAtMs === null ? '' : ', erased'}.`,
    ...view.entries.map((entry) => `${nameOf(entry)}: ${statusInWords(entry)}.`),
    ...view.flags.map((flag) => `Flag ${flag}: ${meaningOfFlag[flag]}.`),
  ]
}

type EntryWords = {
  pspName: string
  productCode: string
  status: EntryStatus
  rejectionReason: string | null
}

function nameOf({ pspName, productCode }: { pspName: string; productCode: string }): string {
  return `${pspName}/${productCode}`
}

function statusInWords({ status, rejectionReason }: EntryWords): string {
  return rejectionReason === null ? status : `${status} (${rejectionReason})`
}

function productsInWords(codes: readonly string[]): string {
  return codes.length === 0 ? '' : ` for ${codes.join(', ')}`
}

const meaningOfFlag: Record<Flag, string> = {
  reversal:
    'two different answers of one wallet stand within 48 h of each other; an inquiry tells which is right',
  round_order: 'the two latest rounds began within 25 h of each other, so which is the later is not certain',
  inconsistent_collective: 'the collective status and the answers do not fit together',
  self_contradiction: 'one notification named two different answers of one wallet',
  unusual_value: 'a value stands where the documents do not have it, such as an unknown product code',
}
