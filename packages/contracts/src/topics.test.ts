import { expect, test } from 'vitest'
import { encodeQuarantineHeaders } from './quarantine-record.ts'
import { topics } from './topics.ts'

test('a raw record that fills its topic fits into quarantine with all that is noted on it', () => {
  const note = encodeQuarantineHeaders(new Map(), {
    origin: {
      topic: topics.raw.name,
      partition: 2 ** 31 - 1,
      offset: String(2n ** 63n - 1n),
      timestampMs: Number.MAX_SAFE_INTEGER,
    },
    reason: 'r'.repeat(100),
    where: 'w'.repeat(1_000),
  })
  // Kafka counts a few bytes of lengths for each header, too.
  const noteBytes = Object.entries(note).flat().join().length + Object.keys(note).length * 20
  expect(topics.raw.maxMessageBytes + noteBytes).toBeLessThan(topics.quarantine.maxMessageBytes)
})

test('a change or a state may be as large as a raw record', () => {
  expect(topics.changes.maxMessageBytes).toBeGreaterThanOrEqual(topics.raw.maxMessageBytes)
  expect(topics.state.maxMessageBytes).toBeGreaterThanOrEqual(topics.raw.maxMessageBytes)
})
