import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'web',
    include: ['test/**/*.test.ts'],
    globalSetup: ['../../tooling/local/src/test-services.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
