import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'db',
    include: ['test/**/*.test.ts'],
    globalSetup: ['../../tooling/local/src/test-services.ts'],
    // CREATE DATABASE and the migrations take a second or two on a busy machine.
    hookTimeout: 60_000,
    testTimeout: 30_000,
  },
});
