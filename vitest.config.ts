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
    // Of three files one waits: for time limits, servers, processes. Many start such of their own.
    maxWorkers: Math.min(4, availableParallelism() + 1),
  },
});
