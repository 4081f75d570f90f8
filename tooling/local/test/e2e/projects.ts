/** What the two groups of end-to-end tests have in common. Each file starts a product of its own. */

/** Files with time limits of seconds. */
export const ALONE = ['faults.test.ts', 'operator.test.ts'];

/** @param groupOrder behind all other projects, which have 0 */
export const e2e = (name: string, groupOrder: number) => ({
  name,
  sequence: { groupOrder },
  testTimeout: 300_000,
  hookTimeout: 600_000,
});
