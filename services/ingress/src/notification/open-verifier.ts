import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { verifyText } from '@signalbox/alipay/signature'
import { claimBytes, packClaims, type SignatureClaim, verdicts } from './signature-batch.ts'

/** Whether a claim holds; rejects when that cannot be told. */
export type Verify = (claim: SignatureClaim) => Promise<boolean>

/** Verifies signatures beside the event loop when there are many. Disposal ends its thread; no claim stays without an answer. */
export type Verifier = AsyncDisposable & {
  verify: Verify
  /** Settles with why the thread has ended by itself. From then on claims are verified on the event loop. */
  failed: Promise<Error>
}

/** Fewer are verified at once: the way to the thread and back costs as much. */
const fewestForThread = 3
/** What may wait while the thread has a batch; what comes beyond is verified at once, which slows down who sends. */
const mostWaiting = 64
const mostWaitingBytes = 8 * 1024 * 1024
/** A batch takes milliseconds. One that is not back by then is verified here; Alipay+ waits for the answers. */
const usualPatienceMs = 500

type Waiting = PromiseWithResolvers<boolean> & { claim: SignatureClaim }

/**
 * Opens a verifier with one thread; with one processor there is none. The thread has one batch at a time, and the time
 * that takes is the time in which the next one gathers.
 */
export function openVerifier({
  processors = availableParallelism(),
  program = new URL('./verify-thread.ts', import.meta.url),
  patienceMs = usualPatienceMs,
}: {
  processors?: number
  program?: URL
  patienceMs?: number
} = {}): Verifier {
  const failed = Promise.withResolvers<Error>()
  if (processors === 1) {
    return { verify: verifyHere, failed: failed.promise, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const thread = new Worker(program)
  let state: 'free' | 'busy' | 'late' | 'ended' = 'free'
  let waiting: Waiting[] = []
  let waitingBytes = 0
  /** Of the batch that the thread has. */
  let handedOver: Waiting[] = []
  let patience: NodeJS.Timeout | undefined

  function verify(claim: SignatureClaim): Promise<boolean> {
    const bytes = claimBytes(claim)
    const hasRoom = waiting.length < mostWaiting && waitingBytes + bytes <= mostWaitingBytes
    if (!hasRoom || state === 'late' || state === 'ended') return verifyHere(claim)
    const added = { claim, ...Promise.withResolvers<boolean>() }
    waitingBytes += bytes
    // Those of one turn of the event loop go together.
    if (waiting.push(added) === 1 && state === 'free') setImmediate(next)
    return added.promise
  }

  function takeWaiting(): Waiting[] {
    const taken = waiting
    waiting = []
    waitingBytes = 0
    return taken
  }

  function next(): void {
    const taken = takeWaiting()
    if (taken.length < fewestForThread) return taken.forEach(settleHere)
    handedOver = taken
    state = 'busy'
    patience = setTimeout(() => verifyAllHere('late'), patienceMs)
    const batch = packClaims(taken.map(({ claim }) => claim))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(batch, [batch.bytes.buffer, batch.places.buffer])
  }

  function verifyAllHere(now: 'late' | 'ended'): void {
    clearTimeout(patience)
    state = now
    const all = [...handedOver, ...takeWaiting()]
    handedOver = []
    all.forEach(settleHere)
  }

  function fail(message: string, cause?: unknown): void {
    if (state === 'ended') return
    failed.resolve(new Error(`the thread that verifies signatures ${message}`, { cause }))
    verifyAllHere('ended')
  }

  thread.on('message', (found: Uint8Array) => {
    if (state === 'ended') return
    clearTimeout(patience)
    // Of a batch that was late nobody waits any more.
    for (const [index, each] of handedOver.entries()) settle(each, found[index])
    handedOver = []
    state = 'free'
    next()
  })
  thread.on('error', (error) => fail('has failed', error))
  thread.on('messageerror', (error) => fail('has answered what cannot be read', error))
  thread.on('exit', (code) => fail(`has ended with ${code}`))

  return {
    verify,
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      verifyAllHere('ended')
      await thread.terminate()
    },
  }
}

/** Verifies on the event loop. */
export async function verifyHere({ text, signature, key }: SignatureClaim): Promise<boolean> {
  return verifyText(text, signature, key)
}

function settle(waiting: Waiting, verdict: number | undefined): void {
  if (verdict === verdicts.holds) waiting.resolve(true)
  else if (verdict === verdicts.refuted) waiting.resolve(false)
  // What could not be verified is not forged: here it rejects with the reason, should there still be one.
  else settleHere(waiting)
}

function settleHere({ claim, resolve }: Waiting): void {
  resolve(verifyHere(claim))
}
