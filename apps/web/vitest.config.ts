import path from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { '@': path.resolve(import.meta.dirname, 'src') } },
  test: {
    name: 'web',
    include: ['test/**/*.test.ts'],
    globalSetup: ['../../tooling/local/src/test-services.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
