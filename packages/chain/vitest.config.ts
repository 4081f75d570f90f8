import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'chain',
    include: ['test/**/*.test.ts'],
    // Hashing and signatures of whole walks take their time on a machine that does other things, too.
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
