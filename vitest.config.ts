import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      'packages/*',
      'packages/*/vitest.browser.config.ts',
      'apps/*',
      'tooling/*',
      'tooling/local/test/e2e/vitest.config.ts',
      'tooling/local/test/e2e/vitest.pages.config.ts',
    ],
    // Many suites start servers and browsers of their own.
    maxWorkers: Math.max(1, Math.min(4, availableParallelism())),
  },
});
