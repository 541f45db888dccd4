import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { verifyText } from '@signalbox/alipay/signature'
import { claimBytes, packClaims, type SignatureClaim, verdicts } from './signature-batch.ts'

/** Whether a claim holds; rejects when that cannot be told. */
export type Verify = (claim: SignatureClaim) => Promise<boolean>

/** Verifies signatures beside the event loop when there are many. Disposal ends its thread. */
export type Verifier = AsyncDisposable & { verify: Verify }

/** Fewer are verified at once: the way to the thread and back costs as much. */
const fewestForThread = 3
/** What may wait while a batch is with the thread; what comes beyond is verified at once, which slows down who sends. */
const mostWaiting = 256
const mostWaitingBytes = 8 * 1024 * 1024

type Waiting = PromiseWithResolvers<boolean> & { claim: SignatureClaim }

/**
 * Opens a verifier with one thread; with one processor there is none. One batch is with the thread at a time, and the
 * time it takes is the time in which the next one gathers. A thread that ends by itself ends the process.
 */
export function openVerifier({ processors = availableParallelism() } = {}): Verifier {
  if (processors === 1) return { verify: verifyHere, [Symbol.asyncDispose]: () => Promise.resolve() }
  const thread = new Worker(new URL('./verify-thread.ts', import.meta.url))
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let judged: Waiting[] = []
  let isClosed = false

  function verify(claim: SignatureClaim): Promise<boolean> {
    const bytes = claimBytes(claim)
    if (waiting.length >= mostWaiting || waitingBytes + bytes > mostWaitingBytes) return verifyHere(claim)
    const added = { claim, ...Promise.withResolvers<boolean>() }
    waitingBytes += bytes
    // Those of one turn of the event loop go together.
    if (waiting.push(added) === 1 && judged.length === 0) setImmediate(next)
    return added.promise
  }

  function next(): void {
    const taken = waiting
    waiting = []
    waitingBytes = 0
    if (taken.length < fewestForThread) return taken.forEach(settleHere)
    judged = taken
    const batch = packClaims(taken.map(({ claim }) => claim))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(batch, [batch.bytes.buffer, batch.places.buffer])
  }

  thread.on('message', (found: Uint8Array) => {
    const settled = judged
    judged = []
    for (const [index, each] of settled.entries()) settle(each, found[index])
    next()
  })
  thread.on('exit', (code) => {
    if (!isClosed) throw new Error(`the thread that verifies signatures has ended with ${code}`)
  })

  return {
    verify,
    async [Symbol.asyncDispose]() {
      isClosed = true
      await thread.terminate()
    },
  }
}

async function verifyHere({ text, signature, key }: SignatureClaim): Promise<boolean> {
  return verifyText(text, signature, key)
}

function settle(waiting: Waiting, verdict: number | undefined): void {
  if (verdict === verdicts.holds) waiting.resolve(true)
  else if (verdict === verdicts.refuted) waiting.resolve(false)
  else settleHere(waiting)
}

function settleHere({ claim, resolve }: Waiting): void {
  resolve(verifyHere(claim))
}
