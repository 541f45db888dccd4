import { describe, expect, test } from 'vitest'
import { alertableEvents } from './alertable-events.ts'
import type { EntryView, View } from './registration.ts'

function view(
  entries: Record<string, EntryView['status']>,
  collectiveStatus: View['collectiveStatus'] = null,
): View {
  return {
    collectiveStatus,
    entries: Object.entries(entries).map(([pspName, status]) => ({
      pspName,
      productCode: '*',
      status,
      rejectionReason: status === 'REJECTED' ? 'expired' : null,
    })),
    flags: [],
    erasedAtMs: null,
  }
}

describe('merchants are told', () => {
  test('of an entry that enters or changes a final, with what it was before', () => {
    const before = view({ GCASH: 'PENDING', TNG: 'APPROVED', DANA: 'APPROVED' })
    const after = view({
      BPI: 'APPROVED',
      DANA: 'APPROVED',
      GCASH: 'REJECTED',
      TNG: 'CANCELLED',
      ZZZ: 'PENDING',
    })
    expect(alertableEvents(before, after)).toEqual([
      {
        kind: 'entry',
        pspName: 'BPI',
        productCode: '*',
        status: 'APPROVED',
        previousStatus: null,
        rejectionReason: null,
      },
      {
        kind: 'entry',
        pspName: 'GCASH',
        productCode: '*',
        status: 'REJECTED',
        previousStatus: 'PENDING',
        rejectionReason: 'expired',
      },
      {
        kind: 'entry',
        pspName: 'TNG',
        productCode: '*',
        status: 'CANCELLED',
        previousStatus: 'APPROVED',
        rejectionReason: null,
      },
    ])
  })

  test('when the collective status becomes COMPLETED, once', () => {
    expect(alertableEvents(view({}, 'PENDING'), view({}, 'COMPLETED'))).toEqual([
      { kind: 'collective_completed' },
    ])
    expect(alertableEvents(view({}, null), view({}, 'COMPLETED'))).toEqual([{ kind: 'collective_completed' }])
    expect(alertableEvents(view({}, 'COMPLETED'), view({}, 'COMPLETED'))).toEqual([])
  })

  test('nothing when an entry or the collective status goes back to PENDING, or only a reason changes', () => {
    expect(
      alertableEvents(view({ GCASH: 'REJECTED' }, 'COMPLETED'), view({ GCASH: 'PENDING' }, 'PENDING')),
    ).toEqual([])
    const rejected = view({ GCASH: 'REJECTED' })
    const otherReason = {
      ...rejected,
      entries: rejected.entries.map((entry) => ({ ...entry, rejectionReason: 'unclear photo' })),
    }
    expect(alertableEvents(rejected, otherReason)).toEqual([])
  })
})
