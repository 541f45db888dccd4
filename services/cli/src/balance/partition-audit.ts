import { isDeepStrictEqual } from 'node:util'
import { registrationKey } from '@signalbox/contracts/keys'
import { readRecord } from '@signalbox/contracts/read-record'
import { registrationState } from '@signalbox/contracts/registration-state'
import { fold } from '@signalbox/registration/fold'
import { emptyRegistration, type Registration } from '@signalbox/registration/registration'

/** A record of any topic, as far as an audit needs it. */
export type AuditRecord = {
  offset: bigint
  key: string | null
  value: Buffer | null
  headers: ReadonlyMap<string, Buffer>
  timestampMs: number
}

/** What the view says of its partition. */
export type Books = { countedFrom: string; countedThrough: string; counts: Readonly<Record<string, number>> }

/** What is compared of a registration. */
export type Standing = {
  version: number
  view: {
    collectiveStatus: string | null
    entries: readonly {
      pspName: string
      productCode: string
      status: string
      rejectionReason: string | null
    }[]
    flags: readonly string[]
    erasedAtMs: number | null
  }
}

/**
 * Folds the raw log of one partition as it comes, to compare it afterwards with what others hold. Records that stand in
 * the quarantine topic are left out, whatever the fold of today would say.
 */
export function createRawAudit({ quarantined }: { quarantined: ReadonlySet<bigint> }) {
  const registrations = new Map<string, Registration>()
  const notificationIds = new Set<string>()
  const merchants = new Map<string, { clientId: string; referenceMerchantId: string }>()
  let records = 0
  let unexpected = 0

  return {
    visit(some: readonly AuditRecord[]): void {
      for (const record of some) {
        records += 1
        const read = readRecord(record)
        if (read.cause !== null) notificationIds.add(read.cause.notificationId)
        if (read.kind === 'quarantine') {
          if (!quarantined.has(record.offset)) unexpected += 1
          continue
        }
        if (quarantined.has(record.offset)) continue
        const { registration } = read.statement
        const key = registrationKey(registration)
        const decision = fold(registrations.get(key) ?? emptyRegistration, read.statement)
        if (decision.outcome === 'quarantined') {
          unexpected += 1
          continue
        }
        merchants.set(`${registration.clientId}\0${registration.referenceMerchantId}`, registration)
        if (decision.next === null) registrations.delete(key)
        else if (decision.next.version > 0) registrations.set(key, decision.next)
      }
    },
    /** Registrations by key, as the log makes them. */
    standings: (): ReadonlyMap<string, Standing> => registrations,
    merchants: () => [...merchants.values()],
    knows: (notificationId: string) => notificationIds.has(notificationId),
    records: () => records,
    /** Records that the fold sets aside and the quarantine topic does not hold. */
    notSetAside: () => unexpected,
  }
}

/** Takes the greatest (version, rev) of each registration out of the state topic. */
export function createStateAudit() {
  const greatest = new Map<string, Standing & { rev: bigint }>()
  const problems: string[] = []
  return {
    visit(some: readonly AuditRecord[]): void {
      for (const { key, value, offset } of some) {
        if (key === null) {
          problems.push(`the state record at offset ${offset} has no key`)
        } else if (value === null) {
          greatest.delete(key)
        } else {
          const state = registrationState.parse(JSON.parse(value.toString('utf8')))
          const rev = BigInt(state.rebuild.rev)
          const before = greatest.get(key)
          const isOlder =
            before !== undefined &&
            (state.version < before.version || (state.version === before.version && rev < before.rev))
          if (isOlder) continue
          const { collectiveStatus, entries, flags, erasedAt } = state
          const erasedAtMs = erasedAt === undefined ? null : Date.parse(erasedAt)
          greatest.set(key, {
            version: state.version,
            rev,
            view: { collectiveStatus, entries, flags, erasedAtMs },
          })
        }
      }
    },
    standings: (): ReadonlyMap<string, Standing> => greatest,
    problems: (): readonly string[] => problems,
  }
}

/** The raw offsets of one partition from which these quarantined records come. */
export function quarantinedOrigins(
  records: readonly Pick<AuditRecord, 'headers'>[],
  { topic, partition }: { topic: string; partition: number },
): bigint[] {
  return records.flatMap(({ headers }) => {
    const header = (name: string) => headers.get(name)?.toString('utf8') ?? ''
    const offset = header('dlq-original-offset')
    const isFromHere =
      header('dlq-original-topic') === topic && header('dlq-original-partition') === String(partition)
    return isFromHere && /^\d+$/.test(offset) ? [BigInt(offset)] : []
  })
}

/** Follows the changes of one partition: whether versions rise by one, and none has two contents. */
export function createChangesAudit() {
  const contents = new Map<string, Map<number, string>>()
  const problems: string[] = []
  return {
    visit(some: readonly AuditRecord[]): void {
      for (const { key, value, headers, offset } of some) {
        const version = Number(headers.get('ce_sequence')?.toString('utf8'))
        if (key === null || value === null || !Number.isSafeInteger(version)) {
          problems.push(`the change at offset ${offset} is not one of this product`)
          continue
        }
        const versions = contents.get(key) ?? new Map<number, string>()
        contents.set(key, versions)
        const text = value.toString('utf8')
        const before = versions.get(version)
        if (before !== undefined && before !== text) {
          problems.push(`${key} has two contents of version ${version} in the changes`)
        }
        versions.set(version, text)
      }
    },
    /** @param isWhole whether the log still holds the first change of each registration */
    problems({ isWhole }: { isWhole: boolean }): readonly string[] {
      const gaps = [...contents].flatMap(([key, versions]) => {
        const numbers = [...versions.keys()].toSorted((left, right) => left - right)
        const first = isWhole ? 1 : (numbers[0] ?? 1)
        return numbers.every((version, index) => version === first + index)
          ? []
          : [`${key} has changes with a gap: versions ${shortened(numbers)}`]
      })
      return [...problems, ...gaps]
    },
    greatestVersions(): ReadonlyMap<string, number> {
      return new Map([...contents].map(([key, versions]) => [key, Math.max(...versions.keys())]))
    },
  }
}

/** What the books and the watermark say that the log does not. */
export function booksProblems({
  books,
  watermarkOffset,
  logEnd,
  quarantinedOrigins,
}: {
  books: Books | null
  /** Last offset in the view; null: the view has none. */
  watermarkOffset: bigint | null
  logEnd: bigint
  /** Offsets that the quarantine topic holds. */
  quarantinedOrigins: ReadonlySet<bigint>
}): readonly string[] {
  if (watermarkOffset === null) {
    return logEnd === 0n ? [] : ['there is no view of it: no processor has come here, or it is being rebuilt']
  }
  if (books === null) return ['there are no books beside the watermark']
  const from = BigInt(books.countedFrom)
  const through = BigInt(books.countedThrough)
  const counted = Object.values(books.counts).reduce((sum, number) => sum + number, 0)
  const setAside = [...quarantinedOrigins].filter((offset) => offset >= from && offset <= through).length
  return [
    ...(BigInt(counted) === through - from + 1n
      ? []
      : [
          `the outcomes sum to ${counted}, but offsets ${from} to ${through} are ${through - from + 1n} records`,
        ]),
    ...(through >= watermarkOffset
      ? []
      : [`the view has come to offset ${watermarkOffset}, and only ${through} is counted`]),
    ...(watermarkOffset < logEnd
      ? []
      : [`the view has come to offset ${watermarkOffset}, but the log ends before ${logEnd}`]),
    ...(books.counts['quarantined'] === setAside
      ? []
      : [
          `${books.counts['quarantined'] ?? 0} records are counted as quarantined, and the quarantine topic holds ${setAside} of them`,
        ]),
  ]
}

/** Where two sets of registrations differ; `hereName` and `thereName` name them in the problems. */
export function standingProblems({
  here,
  hereName,
  there,
  thereName,
}: {
  here: ReadonlyMap<string, Standing>
  hereName: string
  there: ReadonlyMap<string, Standing>
  thereName: string
}): readonly string[] {
  const keys = new Set([...here.keys(), ...there.keys()])
  return [...keys].flatMap((key) => {
    const left = here.get(key)
    const right = there.get(key)
    if (left === undefined) return [`${key} stands in ${thereName} and not in ${hereName}`]
    if (right === undefined) return [`${key} stands in ${hereName} and not in ${thereName}`]
    if (left.version !== right.version) {
      return [`${key} has version ${left.version} in ${hereName} and ${right.version} in ${thereName}`]
    }
    return isDeepStrictEqual(left.view, right.view)
      ? []
      : [`${key} shows another content in ${hereName} than in ${thereName} under version ${left.version}`]
  })
}

function shortened(numbers: readonly number[]): string {
  return numbers.length <= 12 ? numbers.join(', ') : `${numbers.slice(0, 12).join(', ')} …`
}
