import { defineConfig } from 'vitest/config';
import { ALONE, e2e } from './projects.ts';

/** Files that mostly wait, for pages, answers and starts: two products at a time. */
export default defineConfig({
  test: {
    ...e2e('pages', 1),
    include: ['*.test.ts'],
    exclude: ALONE,
    maxWorkers: 2,
  },
});
