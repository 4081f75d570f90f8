/** Pictures of the explorer. */
import type { Page } from 'playwright-core';
import type { Shot, Site } from './shot.ts';

/** Block hash of the model that comes with the repository, whatever else was imported. */
async function embeddedModel(site: Site): Promise<string> {
  const { models } = await site.json<{ models: { hash: string; name: string }[] }>(
    '/models?q=blyan-guide',
  );
  const found = models.find(({ name }) => name === 'blyan-guide');
  if (!found) throw new Error('the embedded model is not on this chain');
  return found.hash;
}

async function tensorOf(site: Site, search: string): Promise<{ root: string; group: string }> {
  const at = `/models/${await embeddedModel(site)}/tensors?${search}`;
  const { tensors } = await site.json<{ tensors: { root: string; group: string }[] }>(at);
  if (!tensors[0]) throw new Error(`no tensor for ${search}`);
  return tensors[0];
}

async function home(page: Page, { url }: Site): Promise<void> {
  await page.goto(`${url}/explorer`);
  await page.getByText('Latest blocks of chain B').waitFor();
  await page.locator('.recharts-area').waitFor();
}

export const EXPLORER: readonly Shot[] = [
  { name: 'explorer', size: 'desktop', theme: 'light', show: home },
  { name: 'explorer-phone-dark', size: 'phone', theme: 'dark', show: home },
  {
    name: 'model-dark',
    size: 'desktop',
    theme: 'dark',
    async show(page, site) {
      await page.goto(`${site.url}/explorer/model/${await embeddedModel(site)}`);
      await page.getByRole('button', { name: 'Verify the whole model', exact: true }).click();
      await page.getByText('verified: everything holds').waitFor({ timeout: 60_000 });
    },
  },
  {
    name: 'tensor',
    size: 'desktop',
    theme: 'light',
    async show(page, site) {
      const { root } = await tensorOf(site, 'group=layer.3&q=q_proj');
      await page.goto(`${site.url}/explorer/tensor/${root}`);
      await page.getByText('Standard deviation').waitFor();
      await page.getByText('Standard deviation').scrollIntoViewIfNeeded();
    },
  },
  {
    name: 'lineage-dark',
    size: 'desktop',
    theme: 'dark',
    async show(page, site) {
      const receipt = await site.ask('Who are you?');
      const { root } = await tensorOf(site, 'group=layer.3&q=q_proj');
      const answer = receipt.slice(receipt.lastIndexOf('/') + 1);
      const query = new URLSearchParams({ answer, group: 'layer.3', tensor: root });
      await page.goto(`${site.url}/explorer/lineage?${query}`);
      await page.locator('.react-flow__node').filter({ hasText: 'source file' }).waitFor();
    },
  },
];
