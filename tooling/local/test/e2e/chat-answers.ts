/** How an answer shows while it is made, for browser.test.ts. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChatStreamEvents } from '@blyan/protocol/api';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import type { Product } from '../../src/product.ts';
import { seriousIn } from './serious.ts';
import { slowEngine } from './support.ts';

interface Where {
  product: Product;
  page: Page;
}

async function ask(page: Page, question: string): Promise<void> {
  const field = page.getByRole('textbox', { name: 'Message' });
  await field.fill(question);
  await field.press('Enter');
}

/**
 * Sends what a test says to the page that follows an answer: the embedded model's phases are over
 * before anybody could look. The line itself is a real one.
 */
async function scriptedLine(page: Page) {
  let line: ServerResponse | undefined;
  const server = createServer((_, response) => {
    line = response.writeHead(200, { 'content-type': 'text/event-stream' });
    line.flushHeaders();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const lines = '**/chat/stream?*';
  await page.route(lines, (route) => route.continue({ url: `http://127.0.0.1:${port}/` }));
  return {
    async send<K extends keyof ChatStreamEvents>(
      event: K,
      data: ChatStreamEvents[K],
    ): Promise<void> {
      await expect.poll(() => line !== undefined, { timeout: 20_000 }).toBe(true);
      line?.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    async [Symbol.asyncDispose]() {
      await page.goto('about:blank');
      line?.end();
      server.close();
    },
  };
}

export function answerTests(where: () => Where): void {
  test('each phase of an answer is said as it happens, and for how long nothing came', async () => {
    const { product, page } = where();
    await page.goto(product.url);
    await using line = await scriptedLine(page);
    await ask(page, 'What is Blyan?');
    const phase = page.getByTestId('phase');
    const says = (what: string | RegExp) => phase.getByText(what).waitFor();
    await line.send('phase', { phase: 'queued', ahead: 2 });
    await says('Queued, 2 ahead');
    await line.send('phase', { phase: 'queued', ahead: 0 });
    await says('Queued, next in line');
    await line.send('phase', { phase: 'waiting' });
    await says('Waiting for a worker');
    await line.send('phase', { phase: 'prefill', done: 128, total: 512 });
    await says('Reading the prompt, 128 of 512 tokens');
    await phase.locator('[style="width: 25%;"]').waitFor();
    await line.send('token', { position: 0, count: 1, text: '', thinking: 'Hm.' });
    await says('Thinking');
    await says(/^first token /);

    const code = ['It is:\n\n', '```js\n', 'const', ' answer', ' =', ' 42;\n'];
    for (const [i, text] of code.entries()) {
      await line.send('token', { position: i + 1, count: 1, text });
      await page.waitForTimeout(150);
    }
    await says('Writing');
    await says(/tokens\/s$/);
    // The worker stands still.
    expect(await seriousIn(page)).toEqual([]);
    await says(/^[3-9] s since the last token$/);
    await phase.getByText(/tokens\/s$/).waitFor({ state: 'hidden' });
    // Half a block of code has had time enough to be coloured, and was not.
    const block = page.locator('.answer pre');
    const coloured = block.locator('span[style*="--sdm-c"]');
    expect(await block.textContent()).toContain('const answer = 42;');
    expect(await coloured.count()).toBe(0);
    await line.send('token', { position: code.length + 1, count: 1, text: '```\n\nDone' });
    await coloured.first().waitFor();
    await phase.getByText('since the last token').waitFor({ state: 'hidden' });
    await line.send('phase', { phase: 'retry' });
    await says('The worker was lost; going on with another one');
  });

  test('what a model thinks is open while it thinks, and folded above its answer then', async () => {
    const { product, page } = where();
    await page.goto(product.url);
    await page.getByRole('button', { name: 'Parameters' }).click();
    await page.getByRole('switch', { name: 'Let it think' }).click();
    await page.getByRole('button', { name: 'Done' }).click();
    const answer = page.getByRole('article', { name: 'Answer' });
    const thought = answer.locator('details > p');
    {
      using engine = await slowEngine(product);
      await ask(page, 'What is a hash?');
      await thought.waitFor();
      engine.hold();
      await answer.locator('summary').getByText('Thinking').waitFor();
      await page.getByTestId('phase').getByText('Thinking').waitFor();
      expect(await thought.isVisible()).toBe(true);
    }
    await page.getByTestId('provenance').waitFor();
    expect(await thought.isVisible()).toBe(false);
    const summary = answer.getByText('Thought before it answered');
    const top = async (what: typeof answer) => (await what.boundingBox())?.y ?? 0;
    expect(await top(summary)).toBeLessThan(await top(answer.locator('.answer')));
    await summary.click();
    await thought.waitFor();
    expect((await thought.textContent())?.length).toBeGreaterThan(5);
  });

  test("the theme is the system's until one is chosen, and that one stays", async () => {
    const { product, page } = where();
    /** Of the ground, 0 to 1. */
    const lightness = () =>
      page.evaluate(() => {
        const pixel = new OffscreenCanvas(1, 1).getContext(
          '2d',
        ) as OffscreenCanvasRenderingContext2D;
        pixel.fillStyle = getComputedStyle(document.body).backgroundColor;
        pixel.fillRect(0, 0, 1, 1);
        return (pixel.getImageData(0, 0, 1, 1).data[1] ?? 0) / 255;
      });
    const toggle = () => page.getByRole('button', { name: 'Theme' }).click();
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(product.url);
    expect(await lightness()).toBeGreaterThan(0.9);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(lightness).toBeLessThan(0.3);
    await page.reload();
    expect(await lightness()).toBeLessThan(0.3);
    await toggle();
    await expect.poll(lightness).toBeGreaterThan(0.9);
    await page.reload();
    expect(await lightness()).toBeGreaterThan(0.9);
    await toggle();
    await expect.poll(lightness).toBeLessThan(0.3);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.reload();
    expect(await lightness()).toBeLessThan(0.3);
  });
}
