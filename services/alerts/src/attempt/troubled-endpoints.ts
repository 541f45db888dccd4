/** Holds back calls to endpoints that keep failing, so that one which hangs does not take every slot. */
export type TroubledEndpoints = {
  /** Takes a slot; false when the endpoint is in trouble and has enough calls under way. */
  enter(endpointId: string): boolean
  /** Gives it back. `isTroubled` null: the call said nothing about the endpoint. */
  leave(endpointId: string, isTroubled: boolean | null): void
}

const failuresToTrouble = 5
const troubledSlots = 4

/** Knows of this process' calls only, and keeps nothing about endpoints that are fine and idle. */
export function createTroubledEndpoints(): TroubledEndpoints {
  const calls = new Map<string, { underWay: number; failures: number }>()
  return {
    enter(endpointId) {
      const known = calls.get(endpointId) ?? { underWay: 0, failures: 0 }
      if (known.failures >= failuresToTrouble && known.underWay >= troubledSlots) return false
      calls.set(endpointId, { ...known, underWay: known.underWay + 1 })
      return true
    },
    leave(endpointId, isTroubled) {
      const known = calls.get(endpointId)
      if (known === undefined) return
      const underWay = known.underWay - 1
      const failures = isTroubled === null ? known.failures : isTroubled ? known.failures + 1 : 0
      if (underWay === 0 && failures === 0) calls.delete(endpointId)
      else calls.set(endpointId, { underWay, failures })
    },
  }
}
