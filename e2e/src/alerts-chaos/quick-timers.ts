import { loadAnotherBuild } from '../another-build.fixture.ts'

// This build with short pauses, so that a run sees within seconds what is done about a process that is gone.
loadAnotherBuild([
  {
    file: '/services/alerts/src/adapters/delivery-worker.ts',
    from: 'durationMs: 30_000, stalledEveryMs: 15_000',
    to: 'durationMs: 2_500, stalledEveryMs: 700',
  },
  {
    file: '/services/alerts/src/delivery/open-delivery.ts',
    from: 'everyMs: 15_000, olderThanMs: 60_000',
    to: 'everyMs: 1_000, olderThanMs: 4_000',
  },
  {
    file: '/services/alerts/src/delivery/endpoint-calls.ts',
    from: 'leaseMarginMs = 5_000',
    to: 'leaseMarginMs = 1_000',
  },
  {
    file: '/services/alerts/src/delivery/delivery.ts',
    from: 'bodyPauseMs = 60_000',
    to: 'bodyPauseMs = 2_000',
  },
  {
    file: '/services/alerts/src/receipts/receipts-seen.ts',
    from: 'mostWaitMs = 2 * limitMs',
    to: 'mostWaitMs = 2_000',
  },
  {
    file: '/services/alerts/src/delivery/before-call.ts',
    from: 'unknownPauseMs = 60_000',
    to: 'unknownPauseMs = 2_000',
  },
  {
    file: '/services/alerts/src/adapters/lanes.ts',
    from: 'firstOpenMs = 3_000\nconst longestOpenMs = 60_000',
    to: 'firstOpenMs = 1_000\nconst longestOpenMs = 2_000',
  },
  {
    file: '/services/alerts/src/delivery/hold.ts',
    from: 'mostMs = 5 * 60 * 1_000',
    to: 'mostMs = 2_000',
  },
  // The shortest that brokers allow.
  {
    file: '/packages/kafka/src/consumer.ts',
    from: 'sessionTimeoutMs = 10_000',
    to: 'sessionTimeoutMs = 6_000',
  },
])
