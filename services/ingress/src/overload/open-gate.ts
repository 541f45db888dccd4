import { createGate, type Gate, type GateLimits, tickMs } from './gate.ts'

/** A gate that looks at the event loop by itself until it is disposed of. */
export function openGate(limits: GateLimits, oldestWaitMs: () => number): Gate & Disposable {
  const gate = createGate(limits, { oldestWaitMs, now: () => performance.now() })
  const timer = setInterval(() => gate.tick(performance.now()), tickMs)
  return { ...gate, [Symbol.dispose]: () => clearInterval(timer) }
}
