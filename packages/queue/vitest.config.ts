import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'queue',
    include: ['test/*.test.ts'],
    globalSetup: ['../../tooling/local/src/test-services.ts'],
    // Many processes share the machine while tests run.
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
