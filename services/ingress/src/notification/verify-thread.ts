import assert from 'node:assert/strict'
import { parentPort } from 'node:worker_threads'
import { judgeBatch, type SignatureBatch } from './signature-batch.ts'

// The thread of open-verifier.ts: batches in, verdicts out, in the same order.
assert(parentPort !== null, 'this is a thread of the ingress')
const port = parentPort
port.on('messageerror', (error) => {
  throw error
})
port.on('message', (batch: SignatureBatch) => {
  const found = judgeBatch(batch)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  port.postMessage(found, [found.buffer])
})
