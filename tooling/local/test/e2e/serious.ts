/** What a checker of accessibility finds on a page. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** Run as a script by the tests, which the pages' own policy does not allow. */
const axeSource = axe.source;

interface Axe {
  axe: { run(of: Document, options: object): Promise<AxeResults> };
}
interface AxeResults {
  violations: { id: string; impact: string | null; nodes: { html: string }[] }[];
}

/** What axe finds that is serious, in both themes; leaves the light one. */
export async function seriousIn(where: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ['dark', 'light'] as const) {
    await where.emulateMedia({ colorScheme });
    await where.waitForTimeout(150);
    await where.evaluate(axeSource);
    // A theme changes nothing but colours.
    const only = colorScheme === 'dark' ? ['color-contrast'] : undefined;
    const { violations } = await where.evaluate(
      (runOnly) =>
        (globalThis as unknown as Axe).axe.run(document, {
          resultTypes: ['violations'],
          ...(runOnly && { runOnly }),
        }),
      only,
    );
    for (const { id, impact, nodes } of violations) {
      if (impact !== 'serious' && impact !== 'critical') continue;
      found.push(
        `${colorScheme} ${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
      );
    }
  }
  return found;
}
