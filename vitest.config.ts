import { defineConfig } from 'vitest/config'

const outages = ['e2e/src/chaos/kafka-{frozen-under-load,and-redis-away}.test.ts']
const underLoad = [
  'e2e/src/chaos/{leader-killed-under-load,key-rotation,kill-each-service,unsigned-flood}.test.ts',
  'e2e/src/malformed/malformed.test.ts',
]

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // `npm run properties` takes four times as many.
          provide: { propertyLogs: Number(process.env['PROPERTY_LOGS'] ?? 25_000) },
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          // Nothing here leaves anything behind in its process, so that modules need not be loaded anew for each file.
          isolate: false,
          include: [
            '{packages,services}/*/src/**/*.test.ts',
            'bench/src/*/**/*.test.ts',
            'sim/src/**/*.test.ts',
            'tools/**/*.test.ts',
          ],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**'],
        },
      },
      {
        test: {
          name: 'integration',
          // After the unit tests: these share one Kafka and one Redis, each with names of its own, and mostly wait.
          sequence: { groupOrder: 2 },
          maxWorkers: 4,
          include: ['{packages,services}/*/src/**/*.integration.test.ts', 'sim/src/**/*.integration.test.ts'],
          globalSetup: ['packages/testkit/src/infra-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          // Whole systems that mostly wait, so several at once.
          sequence: { groupOrder: 3 },
          maxWorkers: 3,
          include: ['e2e/src/**/*.test.ts', 'bench/src/*.test.ts'],
          exclude: [...outages, ...underLoad, '**/node_modules/**'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'outage',
          // Held to deadlines, but with next to nothing to do while the others are away: two at once.
          sequence: { groupOrder: 4 },
          maxWorkers: 2,
          include: outages,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'load',
          // File by file: what these measure or hold to a deadline must not be disturbed.
          sequence: { groupOrder: 5 },
          fileParallelism: false,
          include: underLoad,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
})
