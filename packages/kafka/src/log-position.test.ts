import { expect, test } from 'vitest'
import { continuity, type LogPosition } from './log-position.ts'

const at = (next: bigint, misses = 0): LogPosition => ({ next, misses })

test.each([
  ['the next records go on', at(5n), [5n, 6n, 7n], 'continues'],
  ['records from before a seek forward are stale', at(5n), [3n, 4n, 5n], 'stale'],
  ['records from before a seek back are stale', at(5n), [9n, 10n], 'stale'],
  ['a gap inside is not skipped', at(5n), [5n, 6n, 8n], 'stale'],
  ['the second miss in a row may still be a race', at(5n, 1), [9n], 'stale'],
  ['the third has the position asked anew', at(5n, 2), [9n], 'broken'],
  ['the position that came with that gets its own chance', at(5n, 3), [9n], 'stale'],
  ['when nothing helps the partition is given up', at(5n, 11), [9n], 'lost'],
  ['the right record ends a row of misses', at(5n, 11), [5n], 'continues'],
])('%s', (_, position, offsets, verdict) => {
  const records = offsets.map((offset) => ({ offset }))
  expect(continuity(position, records)).toBe(verdict)
})
