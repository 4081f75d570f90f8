/** What the two groups of end-to-end tests have in common. Each file starts a product of its own. */

/** Files with time limits of seconds, or that count processes. */
export const ALONE = ['faults.test.ts', 'start.test.ts', 'operator.test.ts', 'damage.test.ts'];

/** @param groupOrder behind all other projects, which have 0 */
export const e2e = (name: string, groupOrder: number) => ({
  name,
  sequence: { groupOrder },
  testTimeout: 300_000,
  hookTimeout: 600_000,
});
