import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'queue',
    include: ['test/*.test.ts'],
    globalSetup: ['../../tooling/local/src/test-services.ts'],
  },
});
