/** The pages in a real browser. Set BLYAN_SHOTS to a directory to get pictures of them. */
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findChromium } from '../../src/chromium.ts';
import { type Product, startProduct } from '../../src/product.ts';
import { chat, readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';

let data: TempDir;
let product: Product;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let problems: string[];

beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({ dataDir: data.dir });
  browser = await chromium.launch({
    executablePath: findChromium(process.env, console.log),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
});
afterAll(async () => {
  await browser?.close();
  await product?.stop();
  await data[Symbol.asyncDispose]();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await context.newPage();
  problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (/^https?:$/.test(protocol) && origin !== product.url) problems.push(`asked ${origin}`);
  });
});
afterEach(async () => {
  await context.close();
  expect(problems).toEqual([]);
});

const answers = () => page.getByRole('article', { name: 'Answer' });
const provenance = () => page.getByTestId('provenance');

async function ask(question: string): Promise<void> {
  const field = page.getByRole('textbox', { name: 'Message' });
  await field.fill(question);
  await field.press('Enter');
}

/** In both themes, at the width of a desktop and of a phone; nothing may be wider than the screen. */
async function shots(name: string): Promise<void> {
  for (const [device, width, height] of [
    ['desktop', 1280, 800],
    ['phone', 390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await page.waitForTimeout(150);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, `${name} on ${device} is too wide`).toBeLessThanOrEqual(0);
      const dir = process.env.BLYAN_SHOTS;
      if (dir) await page.screenshot({ path: path.join(dir, `${name}-${device}-${theme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

test('the API can be read and tried', async () => {
  await page.goto(`${product.url}/docs`);
  const health = page.locator('#operations-Server-get_health');
  await health.waitFor();
  expect(await page.locator('.opblock').count()).toBeGreaterThan(10);
  await shots('docs');
  await health.getByRole('button').first().click();
  await health.getByRole('button', { name: 'Execute' }).click();
  await health.locator('.live-responses-table').getByText('"status"').waitFor();
  await shots('docs-tried');
});

test('ask, read where the answer came from, and follow it to the block', async () => {
  await page.goto(product.url);
  await page.getByRole('textbox', { name: 'Message' }).waitFor();
  await shots('welcome');
  await ask('What is Blyan?');
  await provenance().waitFor();
  expect((await answers().textContent())?.length).toBeGreaterThan(20);
  const line = await provenance().textContent();
  expect(line).toContain('blyan-guide');
  expect(line).toMatch(/seed \d+/);
  expect(line).toMatch(/tokens\/s|tok\/s/);
  await shots('chat');

  await provenance().getByRole('link', { name: 'Receipt' }).click();
  await page.waitForURL(/\/explorer\/receipt\//);
  await page.getByText('blyan-guide').first().waitFor();
  await shots('receipt');
  await page.goBack();
  await provenance().getByRole('link', { name: 'blyan-guide' }).click();
  await page.waitForURL(/\/explorer\/A\/[0-9a-f]{64}/);
  await page.getByText('blyan-guide').first().waitFor();
  await shots('model-block');
});

test('a receipt shows all parameters that were used', async () => {
  const bias = Object.fromEntries(Array.from({ length: 300 }, (_, id) => [id, id / 300 - 0.5]));
  const body = { prompt: 'Hi', max_tokens: 4, repetition_penalty: 1.25, frequency_penalty: -0.5 };
  const { body: reply } = await chat(product.url, {
    ...body,
    logit_bias: bias,
    stop_token_ids: [7, 300],
  });
  await page.goto(product.url + reply.provenance.receipt);
  const fact = (name: string) =>
    page.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd');
  await fact('Penalties').waitFor();
  expect(await fact('Penalties').textContent()).toBe('repetition 1.25, frequency -0.5');
  expect(await fact('Stop tokens').textContent()).toContain('7, 300');
  await page.getByText('300 tokens').click();
  expect(await fact('logit_bias').textContent()).toContain('0: -0.5, 1: -0.49');
  await shots('receipt-parameters');
});

test('a starter question asks itself', async () => {
  await page.goto(product.url);
  const starters = page
    .getByRole('main')
    .getByRole('button')
    .filter({ hasText: /\?|\w+ \w+/ });
  expect(await starters.count()).toBeGreaterThanOrEqual(3);
  await starters.first().click();
  await provenance().waitFor();
});

test('stop keeps what was written, and regenerate asks again', async () => {
  await page.goto(product.url);
  await ask('Write a very long story about a river, with many chapters.');
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Send' }).waitFor();
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await provenance().waitFor();
  expect(await answers().count()).toBe(1);
});

/** The answer as the page has it, and as the server has it. */
async function bothTexts(): Promise<{ page: string; server: string }> {
  const stored = await page.evaluate(() => {
    const messages = JSON.parse(localStorage.getItem('blyan.conversation.v1') ?? '[]');
    return messages.at(-1) as { id: string; text: string };
  });
  const events = await readEvents(await fetch(`${product.url}/chat/stream?id=${stored.id}`));
  const texts = events
    .filter(({ event }) => event === 'token' || event === 'done')
    .map(({ data }) => JSON.parse(data).text);
  return { page: stored.text, server: texts.join('') };
}

test('a refresh in the middle of an answer gets the rest, once', async () => {
  using _slow = await slowEngine(product);
  await page.goto(product.url);
  await ask('Tell me everything that you know about blockchains and hashes.');
  await expect.poll(async () => (await answers().textContent())?.length).toBeGreaterThan(10);
  await page.reload();
  // Still being written.
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await provenance().waitFor({ timeout: 60_000 });
  const { page: shown, server } = await bothTexts();
  expect(shown).toBe(server);
  expect(shown.length).toBeGreaterThan(20);
});

test('losing the network in the middle of an answer loses nothing', async () => {
  using _slow = await slowEngine(product);
  await page.goto(product.url);
  await ask('Explain step by step how a worker rebuilds a model from blocks.');
  await expect.poll(async () => (await answers().textContent())?.length).toBeGreaterThan(10);
  // Drops the open line as a network does; the page must come back by itself.
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await context.setOffline(true);
  await page.waitForTimeout(1500);
  await context.setOffline(false);
  await provenance().waitFor({ timeout: 60_000 });
  const { page: shown, server } = await bothTexts();
  expect(shown).toBe(server);
  problems = problems.filter((problem) => !/ERR_INTERNET_DISCONNECTED|ERR_NETWORK/.test(problem));
});

test('the explorer lists the chains and shows a layer block', async () => {
  await page.goto(`${product.url}/explorer`);
  await page.getByText('genesis').first().waitFor();
  await shots('explorer');
  await page.goto(`${product.url}/explorer/B/2`);
  await page.getByText('model.layers.0.self_attn.q_proj.weight').first().waitFor();
  await shots('layer-block');
});

test('a page that does not exist says so', async () => {
  const response = await page.goto(`${product.url}/explorer/B/9999`);
  expect(response?.status()).toBe(404);
  await shots('not-found');
  problems = problems.filter((problem) => !problem.includes('404'));
});
