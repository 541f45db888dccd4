/** What can go wrong. Each has to take effect somewhere in a run of many seeds. */
export const faultKinds = [
  'crash',
  'stall',
  'zombie wakes into a flush',
  'call fails',
  'answer lost',
  'call slow',
  'kafka away',
  'state redis away',
  'state redis full',
  'queue redis away',
  'produce lands late',
  'produce lands twice',
  'produce copy lands late',
  'produce lands in part',
  'state redis loses its tail',
  'state redis flushed',
  'state redis loses its tail in a rebuild',
  'queue redis loses its tail',
  'queue redis flushed',
  'rebalance',
  'group offsets lost',
  'state topic compacted',
  'raw retention',
  'clock jumps',
] as const

export type FaultKind = (typeof faultKinds)[number]
