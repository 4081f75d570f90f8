import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'worker',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    globalSetup: [
      '../../tooling/local/src/test-build.ts',
      '../../tooling/local/src/test-services.ts',
    ],
  },
});
