/** Of one subject: the greatest version that was worked on, per mark. */
export type Versions = ReadonlyMap<string, number>

/** Who works on what: `holder` is new for every delivery. */
export type Claim = { subject: string; id: string; holder: string }

/**
 * What was worked on before. An alert is claimed before the work and confirmed after it, because one mark is not
 * enough: set before the work, a crash during the work loses the alert, as every retry is then taken for a repeat;
 * set after it, a retry that overtakes slow work has it done twice.
 *
 * An own store keeps this in the database that the work writes to, best in the same transaction.
 */
export type SeenStore = {
  /**
   * Takes the subject for `leaseMs`, in one atomic step. `repeat`: this id is confirmed. `busy`: another holder has
   * the subject and its lease lasts. A claim that is neither confirmed nor released ends with its lease, so the
   * alert of a process that died comes through with the sender's next retry.
   */
  claim(
    claim: Claim & { leaseMs: number },
  ): Promise<{ kind: 'claimed'; known: Versions } | { kind: 'repeat' | 'busy' }>
  /** The work is done: keeps the id, raises each version (never lowers one), and ends the claim if it is still held. */
  confirm(claim: Claim & { versions: Versions }): Promise<void>
  /** The work was not done or not needed: ends the claim if it is still held. */
  release(claim: Claim): Promise<void>
}

/**
 * Keeps the latest `capacity` ids and subjects in memory (about 300 bytes each). What is older is forgotten, and
 * so is everything when the process ends: an alert that comes again after that is handed over again.
 */
export function createMemorySeenStore({
  capacity = 100_000,
  now = Date.now,
}: {
  capacity?: number
  now?: () => number
} = {}): SeenStore {
  const ids = new Map<string, true>()
  const subjects = new Map<string, Versions>()
  const claims = new Map<string, { holder: string; untilMs: number }>()

  function end({ subject, holder }: Claim): void {
    if (claims.get(subject)?.holder === holder) claims.delete(subject)
  }
  return {
    async claim({ subject, id, holder, leaseMs }) {
      if (ids.has(id)) return { kind: 'repeat' }
      const nowMs = now()
      // All leases are equally long, so the first ones end first.
      for (const [held, { untilMs }] of claims) {
        if (untilMs > nowMs) break
        claims.delete(held)
      }
      if (claims.has(subject)) return { kind: 'busy' }
      claims.set(subject, { holder, untilMs: nowMs + leaseMs })
      return { kind: 'claimed', known: subjects.get(subject) ?? new Map() }
    },
    async confirm({ versions, ...claim }) {
      keepLatest(ids, { key: claim.id, value: true, capacity })
      const value = greatest(subjects.get(claim.subject) ?? new Map(), versions)
      keepLatest(subjects, { key: claim.subject, value, capacity })
      end(claim)
    },
    release: async (claim) => end(claim),
  }
}

/** The greater version of every mark. */
function greatest(one: Versions, other: Versions): Versions {
  const raised = new Map(one)
  for (const [mark, version] of other) raised.set(mark, Math.max(version, raised.get(mark) ?? 0))
  return raised
}

function keepLatest<T>(
  map: Map<string, T>,
  { key, value, capacity }: { key: string; value: T; capacity: number },
): void {
  // A Map keeps the order of insertion.
  map.delete(key)
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= capacity) break
    map.delete(oldest)
  }
}
