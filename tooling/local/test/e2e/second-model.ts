/** A second model on the chain while pages are open: it appears, is compared, and made again from a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, open } from 'node:fs/promises';
import path from 'node:path';
import type { Page, Request } from 'playwright-core';
import { expect, test } from 'vitest';
import { type Product, ROOT } from '../../src/product.ts';
import { inspectPage } from './inspect-page.ts';

const CHECKPOINT = path.join(ROOT, 'models/blyan-guide');
const SHARD = 'model-00001-of-00003.safetensors';
const NAME = 'guide-in-q4';
/** Of the embedding, in the first shard. */
const BYTE = 5712 + 1_000_000;

interface World {
  product: Product;
  dataDir: string;
  page: Page;
  /** The embedded model: hash of its block, and its embedding's name. */
  model: string;
  embedding: string;
}

async function importAsQ4({ product, dataDir }: World): Promise<void> {
  const args = ['model:import', CHECKPOINT, '--format', 'q4', '--name', NAME];
  const child = spawn(process.execPath, ['tooling/local/bootstrap.mjs', ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      NODE_ENV: undefined,
      VITEST: undefined,
      DATABASE_URL: undefined,
      REDIS_URL: undefined,
      BLYAN_DATA_DIR: dataDir,
      PORT: String(product.port),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
}

/** Lets go of a file over the page, as somebody who drags it there. */
async function drop(page: Page, file: string): Promise<void> {
  await page.evaluate(() => {
    const input = document.createElement('input');
    input.type = 'file';
    input.id = 'dragged';
    document.querySelector('#dragged')?.remove();
    document.body.append(input);
  });
  await page.locator('#dragged').setInputFiles(file);
  const dataTransfer = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    const file = document.querySelector<HTMLInputElement>('#dragged')?.files?.[0];
    if (file) transfer.items.add(file);
    return transfer;
  });
  await page.getByText('Drop a safetensors file here').dispatchEvent('drop', { dataTransfer });
}

/** Registers the tests; the chain has another model afterwards. */
export function secondModelTests(world: () => World): void {
  let other: string;

  test('home: what is imported appears without a reload', async () => {
    const { page, product } = world();
    await page.goto(`${product.url}/explorer`);
    const chain = page.getByRole('region', { name: 'Chains' }).getByRole('row', { name: /^B/ });
    await chain.getByRole('cell', { name: '15', exact: true }).waitFor();
    const newest = page
      .getByRole('region', { name: /Latest blocks/ })
      .locator('tbody tr')
      .first();
    const before = await newest.textContent();
    await page.evaluate(() => {
      document.body.dataset.same = 'document';
    });
    await importAsQ4(world());
    const { chains } = await (await fetch(`${product.url}/chain`)).json();
    const { size } = chains.find((found: { chain: string }) => found.chain === 'B');
    // What is the same in both formats is not written twice.
    expect(size).toBe(28);
    await chain.getByRole('cell', { name: `${size}`, exact: true }).waitFor();
    await newest.filter({ hasText: `${size - 1}` }).waitFor();
    expect(await newest.textContent()).not.toBe(before);
    expect(await page.locator('body').getAttribute('data-same')).toBe('document');
    const found = await fetch(`${product.url}/models?q=${NAME}`);
    other = (await found.json()).models[0].hash;
  });

  test('model: compared with another one, tensor by tensor; any one is named in the address', async () => {
    const { page, product, model, embedding } = world();
    await page.goto(`${product.url}/explorer/model/${model}`);
    await page.getByRole('combobox', { name: /^With/ }).selectOption(other);
    const table = page.getByRole('region', { name: 'Tensors that differ' });
    const row = table.getByRole('row', {
      name: new RegExp(`^${embedding.replaceAll('.', '\\.')}`),
    });
    await row.getByRole('cell', { name: 'format', exact: true }).waitFor();
    expect(await row.textContent()).toContain('q4');
    expect(page.url()).toContain(`with=${other}`);
    const shown = await table.locator('tbody tr').count();
    await page.getByText(`${shown} tensors differ, in`).waitFor();
    await inspectPage(page, 'comparison');
    // Not offered in the list: it is this model itself.
    await page.goto(`${product.url}/explorer/model/${model}?with=${model}`);
    await page.getByText('Nothing differs').waitFor();
  });

  test('a file that is dropped is run through the recipe of q4, and nothing of it leaves', async () => {
    const { page, product, dataDir, embedding } = world();
    await page.goto(`${product.url}/explorer/own-file/${other}`);
    await page.getByText('kept in this browser').waitFor();
    const sent: Request[] = [];
    page.on('request', (request) => sent.push(request));
    const file = path.join(dataDir, SHARD);
    await copyFile(path.join(CHECKPOINT, SHARD), file);
    await drop(page, file);
    const verdict = page.getByTestId('own-file-verdict');
    await verdict.waitFor();
    expect(await verdict.getAttribute('data-good')).toBe('true');
    expect(await verdict.textContent()).toContain('the blocks were made from this file');
    await using handle = await open(file, 'r+');
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, BYTE);
    await handle.write(Buffer.of(buffer[0]! ^ 4), 0, 1, BYTE);
    await drop(page, file);
    await page.getByText(`1 tensor differs: ${embedding}`).waitFor();
    expect(await verdict.getAttribute('data-good')).toBe('false');
    // The worker's, too: it reads the model's own blocks.
    expect(sent.some((request) => request.url().includes('/chain/'))).toBe(true);
    for (const request of sent) {
      expect(request.method(), request.url()).toBe('GET');
      expect(new URL(request.url()).origin).toBe(product.url);
      expect(request.postData(), request.url()).toBeNull();
    }
  });
}
