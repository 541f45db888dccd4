import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          sequence: { groupOrder: 1 },
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
          // After the unit tests, and file by file: these start servers and wait for them.
          sequence: { groupOrder: 2 },
          fileParallelism: false,
          include: ['{packages,services}/*/src/**/*.integration.test.ts', 'sim/src/**/*.integration.test.ts'],
          globalSetup: ['packages/testkit/src/infra-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          sequence: { groupOrder: 3 },
          fileParallelism: false,
          include: ['e2e/src/**/*.test.ts', 'bench/src/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
})
