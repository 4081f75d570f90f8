import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'coordinator',
    include: ['test/**/*.test.ts'],
    globalSetup: [
      '../../tooling/local/src/test-build.ts',
      '../../tooling/local/src/test-services.ts',
    ],
    testTimeout: 20_000,
  },
});
