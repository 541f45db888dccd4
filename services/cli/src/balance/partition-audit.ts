import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { merchantKey, registrationKey } from '@signalbox/contracts/keys'
import { parseQuarantineHeaders } from '@signalbox/contracts/quarantine-record'
import { type RawRecord, readRecord } from '@signalbox/contracts/read-record'
import { registrationState, stateStanding } from '@signalbox/contracts/registration-state'
import { fold } from '@signalbox/registration/fold'
import { emptyRegistration, type Registration } from '@signalbox/registration/registration'
import { z } from 'zod'

/** A record of any topic, as far as an audit needs it. */
export type AuditRecord = RawRecord & { offset: bigint }

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

/** A registration as Redis shows it, and when the record was appended that made its version. */
export type Shown = Standing & { causedAtMs: number }

/** Records of one partition that stand in quarantine: their raw offsets, and when they were appended there. */
export type Quarantined = ReadonlyMap<bigint, number>

/**
 * Folds the raw log of one partition as it comes, to compare it afterwards with what others hold. Records that stand in
 * the quarantine topic are left out, whatever the fold of today would say.
 */
export function createRawAudit({ quarantined }: { quarantined: Quarantined }) {
  const registrations = new Map<string, Registration>()
  const merchants = new Map<string, { clientId: string; referenceMerchantId: string }>()
  let records = 0
  let notSetAside = 0

  function visit(record: AuditRecord): void {
    records += 1
    // An offset alone may be that of a topic which stood here before.
    if (quarantined.get(record.offset) === record.timestampMs) return
    const read = readRecord(record)
    if (read.kind === 'quarantine') {
      notSetAside += 1
      return
    }
    const { registration } = read.statement
    const key = registrationKey(registration)
    const decision = fold(registrations.get(key) ?? emptyRegistration, read.statement)
    if (decision.outcome === 'quarantined') {
      notSetAside += 1
      return
    }
    merchants.set(merchantKey(registration), registration)
    if (decision.next === null) registrations.delete(key)
    else if (decision.next.version > 0) registrations.set(key, decision.next)
  }

  return {
    visit(some: readonly AuditRecord[]): void {
      for (const record of some) visit(record)
    },
    /** Registrations by key, as the log makes them. */
    standings: (): ReadonlyMap<string, Standing> => registrations,
    merchants: () => [...merchants.values()],
    records: () => records,
    /** Records that the fold sets aside and the quarantine topic does not hold. */
    notSetAside: () => notSetAside,
  }
}

/**
 * Takes the newest state of each registration out of the state topic. What a processor published and has not saved yet
 * is `ahead`: after a crash it may stay there, and the next processor publishes it again.
 */
export function createStateAudit({ through }: { through: bigint }) {
  const newest = new Map<string, Standing & { rev: bigint }>()
  const ahead = new Map<string, Standing & { rev: bigint }>()
  const problems: string[] = []

  function visit({ key, value, headers, offset }: AuditRecord): void {
    if (key === null) {
      problems.push(`the state record at offset ${offset} has no key`)
      return
    }
    if (value === null) {
      newest.delete(key)
      ahead.delete(key)
      return
    }
    const state = stateValue.safeParse(value.toString('utf8'))
    const standing = stateStanding(headers)
    if (!state.success || standing === null) {
      problems.push(`the state record of ${key} at offset ${offset} is not one of this build`)
      return
    }
    const { version, collectiveStatus, entries, flags, erasedAt } = state.data
    const erasedAtMs = erasedAt === undefined ? null : Date.parse(erasedAt)
    const rev = BigInt(standing.rev)
    const known = rev > through ? ahead : newest
    if (rev < (known.get(key)?.rev ?? rev)) return
    known.set(key, { version, rev, view: { collectiveStatus, entries, flags, erasedAtMs } })
  }

  return {
    visit(some: readonly AuditRecord[]): void {
      for (const record of some) visit(record)
    },
    standings: (): ReadonlyMap<string, Standing> => new Map([...ahead, ...newest]),
    problems: (): readonly string[] => problems,
  }
}

const stateValue = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      context.addIssue('not JSON')
      return z.NEVER
    }
  })
  .pipe(registrationState)

/** From which records of one raw partition these quarantined ones come: offset and append time. */
export function quarantinedOrigins(
  records: readonly Pick<AuditRecord, 'headers'>[],
  { topic, partition }: { topic: string; partition: number },
): [bigint, number][] {
  return records.flatMap(({ headers }) => {
    const origin = parseQuarantineHeaders(headers)?.note.origin ?? null
    if (origin === null || origin.topic !== topic || origin.partition !== partition) return []
    return [[BigInt(origin.offset), origin.timestampMs]]
  })
}

/** Follows the changes of one partition: whether versions rise by one, and none has two contents. */
export function createChangesAudit() {
  /** By key and version: a hash of the content. */
  const contents = new Map<string, Map<number, string>>()
  const problems: string[] = []
  let firstMs: number | null = null

  function visit({ key, value, headers, offset, timestampMs }: AuditRecord): void {
    firstMs ??= timestampMs
    const version = Number(headers.get('ce_sequence')?.toString('latin1'))
    if (key === null || value === null || !Number.isSafeInteger(version)) {
      problems.push(`the change at offset ${offset} is not one of this product`)
      return
    }
    const versions = contents.get(key) ?? new Map<number, string>()
    contents.set(key, versions)
    const content = createHash('sha256').update(value).digest('base64').slice(0, 16)
    const before = versions.get(version)
    if (before !== undefined && before !== content) {
      problems.push(`${key} has two contents of version ${version} in the changes`)
    }
    versions.set(version, content)
  }

  /** @param isWhole whether the log still holds the first change of each registration */
  function gaps({ isWhole }: { isWhole: boolean }): readonly string[] {
    return [...contents].flatMap(([key, versions]) => {
      const numbers = [...versions.keys()].toSorted((left, right) => left - right)
      const first = isWhole ? 1 : (numbers[0] ?? 1)
      return numbers.every((version, index) => version === first + index)
        ? []
        : [`${key} has changes with a gap: versions ${shortened(numbers)}`]
    })
  }

  /** Versions that are shown and were never published, or were taken out of the log again. */
  function missing(shown: ReadonlyMap<string, Shown>, { isWhole }: { isWhole: boolean }): readonly string[] {
    return [...shown].flatMap(([key, { version, causedAtMs }]) => {
      const isRetained = isWhole || (firstMs !== null && causedAtMs > firstMs)
      if (!isRetained || contents.get(key)?.has(version)) return []
      return [`${key} has version ${version} in Redis, and no change says so`]
    })
  }

  return {
    visit(some: readonly AuditRecord[]): void {
      for (const record of some) visit(record)
    },
    problems: (shown: ReadonlyMap<string, Shown>, log: { isWhole: boolean }): readonly string[] => [
      ...problems,
      ...gaps(log),
      ...missing(shown, log),
    ],
  }
}

/** What the books and the watermark say that the log does not. */
export function booksProblems({
  books,
  watermarkOffset,
  logEnd,
  quarantine,
}: {
  books: Books | null
  /** Last offset in the view, -1 before the first; null: the view has none. */
  watermarkOffset: bigint | null
  logEnd: bigint
  /** Whether the quarantine topic still holds its first record. */
  quarantine: { origins: Quarantined; isWhole: boolean }
}): readonly string[] {
  if (watermarkOffset === null) {
    return logEnd === 0n ? [] : ['there is no view of it: no processor has come here, or it is being rebuilt']
  }
  const problems: string[] = []
  if (watermarkOffset >= logEnd) {
    problems.push(`the view has come to offset ${watermarkOffset}, but the log ends before ${logEnd}`)
  }
  // A view that was just rebuilt has counted nothing yet.
  if (books === null) return problems

  const from = BigInt(books.countedFrom)
  const through = BigInt(books.countedThrough)
  const records = through - from + 1n
  const counted = Object.values(books.counts).reduce((sum, number) => sum + number, 0)
  if (BigInt(counted) !== records) {
    problems.push(`the outcomes sum to ${counted}, but offsets ${from} to ${through} are ${records} records`)
  }
  if (through < watermarkOffset) {
    problems.push(`the view has come to offset ${watermarkOffset}, and only ${through} is counted`)
  }
  const inBooks = books.counts['quarantined'] ?? 0
  const setAside = [...quarantine.origins.keys()].filter(
    (offset) => offset >= from && offset <= through,
  ).length
  if (quarantine.isWhole && inBooks !== setAside) {
    problems.push(
      `${inBooks} records are counted as quarantined, and the quarantine topic holds ${setAside} of them`,
    )
  }
  return problems
}

/**
 * Where two sets of registrations differ; `hereName` and `thereName` name them in the problems. Those of `moved` changed
 * while they were read and are left out.
 */
export function standingProblems({
  here,
  hereName,
  there,
  thereName,
  moved,
}: {
  here: ReadonlyMap<string, Standing>
  hereName: string
  there: ReadonlyMap<string, Standing>
  thereName: string
  moved: ReadonlySet<string>
}): readonly string[] {
  const keys = new Set([...here.keys(), ...there.keys()])
  return [...keys.difference(moved)].flatMap((key) => {
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
