/** Offsets of a partition's state topic, `to` exclusive. */
export type OffsetRange = { from: bigint; to: bigint }

/** Which part of the state topic is known to hold nothing but what it should. */
export type Audited = {
  /** Written by somebody else among what we have written, in the order of the log; not looked at yet. */
  foreign: readonly OffsetRange[]
  /** What is before this is either ours, looked at, or in `foreign`. */
  through: bigint
}

/** More ranges than that become one: two workers that write in turn would make one for each record. */
const mostRanges = 50
const mostOffsets = 5_000n

/** After records of ours were written: what stands between them came from somebody else. */
export function withOurs({ foreign, through }: Audited, offsets: readonly bigint[]): Audited {
  const ranges = [...foreign]
  let next = through
  for (const offset of offsets) {
    if (offset > next) ranges.push({ from: next, to: offset })
    if (offset >= next) next = offset + 1n
  }
  const [first] = ranges
  const last = ranges.at(-1)
  const isMuch = first !== undefined && last !== undefined && ranges.length > mostRanges
  return { foreign: isMuch ? [{ from: first.from, to: last.to }] : ranges, through: next }
}

/** The first offset that was not looked at. */
export function auditedThrough({ foreign, through }: Audited): bigint {
  return foreign[0]?.from ?? through
}

/** What an auditor has to look at when the log ends at `end`, in parts that memory can hold. */
export function unaudited({ foreign, through }: Audited, end: bigint): readonly OffsetRange[] {
  const ranges = end > through ? [...foreign, { from: through, to: end }] : foreign
  return ranges.flatMap(partsOf)
}

function partsOf({ from, to }: OffsetRange): OffsetRange[] {
  const parts: OffsetRange[] = []
  for (let start = from; start < to; start += mostOffsets) {
    parts.push({ from: start, to: start + mostOffsets < to ? start + mostOffsets : to })
  }
  return parts
}
