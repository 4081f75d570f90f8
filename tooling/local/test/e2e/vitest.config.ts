import { defineConfig } from 'vitest/config';
import { ALONE, e2e } from './projects.ts';

/** Files that time the product: one after the other, with the machine to themselves. */
export default defineConfig({
  test: {
    ...e2e('e2e', 2),
    include: ALONE,
    fileParallelism: false,
    maxWorkers: 1,
  },
});
