import { defineConfig } from 'vitest/config';

/** The whole product, one file after the other, after all other projects: it wants the machine to itself. */
export default defineConfig({
  test: {
    name: 'e2e',
    include: ['*.test.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    sequence: { groupOrder: 1 },
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
});
