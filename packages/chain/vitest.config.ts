import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Hashing and signatures of whole walks take their time on a machine that does other things, too.
  test: { name: 'chain', include: ['test/**/*.test.ts'], testTimeout: 20_000 },
});
