/** What every page of the explorer has to keep to. Set BLYAN_SHOTS to a directory to get pictures. */
import path from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

interface Violation {
  id: string;
  impact: string | null;
  nodes: { html: string }[];
}

/** Nothing serious by axe, nothing wider than the screen, in both themes and on a phone. */
export async function inspectPage(page: Page, name: string): Promise<void> {
  await page.evaluate(axe.source);
  for (const [device, width, height] of [
    ['phone', 390, 844],
    ['desktop', 1280, 800],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const theme of ['dark', 'light'] as const) {
      const dir = process.env.BLYAN_SHOTS;
      if (device === 'phone' && theme === 'dark' && !dir) continue;
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(100);
      // A chart takes the new width a moment later than the page.
      const overflow = () =>
        page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
      await expect
        .poll(overflow, { timeout: 10_000, message: `${name} on ${device} is too wide` })
        .toBeLessThanOrEqual(0);
      const shot = { path: path.join(dir ?? '', `${name}-${device}-${theme}.png`), fullPage: true };
      if (dir) await page.screenshot(shot);
      // A narrow page has the same elements, and a theme changes nothing but colours.
      if (device === 'phone') continue;
      const rules = theme === 'dark' ? ', runOnly: ["color-contrast"]' : '';
      const found = await page.evaluate(
        `axe.run(document, { resultTypes: ["violations"]${rules} }).then((found) => found.violations)`,
      );
      const serious = (found as Violation[])
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
      expect(serious, `${name}, ${theme}`).toEqual([]);
    }
  }
}
