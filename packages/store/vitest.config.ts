import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'store',
    include: ['test/**/*.test.ts'],
    // Many processes share the machine while tests run.
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
