import { flagsOf } from './flags.ts'
import type { Registers, View } from './registration.ts'
import { visibleIn } from './visible.ts'

/** What everybody sees: a pure function of the registers. */
export function viewOf(registers: Registers): View {
  const visible = visibleIn(registers)
  return {
    collectiveStatus: visible.collectiveStatus,
    entries: visible.entries.map(({ pspName, productCode, status, rejectionReason }) => ({
      pspName,
      productCode,
      status,
      rejectionReason,
    })),
    flags: flagsOf(registers, visible).map(({ flag }) => flag),
    erasedAtMs: isSilentSinceErasure(registers) ? registers.erasedAtMs : null,
  }
}

function isSilentSinceErasure({ rounds, sightings, inquiry }: Registers): boolean {
  return rounds.length === 0 && sightings.length === 0 && inquiry.inquiredAtMs === null
}
