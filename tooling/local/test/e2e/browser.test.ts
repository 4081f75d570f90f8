/** The pages in a real browser. Set BLYAN_SHOTS to a directory to get pictures of them. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createDb } from '@blyan/db/client';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findChromium } from '../../src/chromium.ts';
import { type Product, startProduct } from '../../src/product.ts';
import { answerTests } from './chat-answers.ts';
import { lineTests } from './chat-lines.ts';
import { seriousIn } from './serious.ts';
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
  problems = [];
  context = await newReader({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
  page = await context.newPage();
});
afterEach(async () => {
  await context.close();
  expect(problems).toEqual([]);
});

/** Somebody with a browser of their own; what it complains of is a problem. */
async function newReader(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const reader = await browser.newContext(options);
  reader.on('weberror', (error) => problems.push(error.error().message));
  reader.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
  reader.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (/^https?:$/.test(protocol) && origin !== product.url) problems.push(`asked ${origin}`);
  });
  return reader;
}

/** Vitest's own second is not enough for a busy machine. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 20_000 });

const answers = () => page.getByRole('article', { name: 'Answer' });
const provenance = () => page.getByTestId('provenance');

async function ask(question: string): Promise<void> {
  const field = page.getByRole('textbox', { name: 'Message' });
  await field.fill(question);
  await field.press('Enter');
}

/** At the width of a desktop and of a phone: nothing may be wider than the screen. People see both themes. */
async function shots(name: string): Promise<void> {
  const dir = process.env.BLYAN_SHOTS;
  for (const [device, width, height] of [
    ['desktop', 1280, 800],
    ['phone', 390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const theme of dir ? (['light', 'dark'] as const) : (['light'] as const)) {
      await page.emulateMedia({ colorScheme: theme });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, `${name} on ${device} is too wide`).toBeLessThanOrEqual(0);
      if (!dir) continue;
      await page.waitForTimeout(150);
      await page.screenshot({ path: path.join(dir, `${name}-${device}-${theme}.png`) });
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
  expect(await seriousIn(page)).toEqual([]);
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
  expect(await seriousIn(page)).toEqual([]);

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
  const starters = page.getByRole('main').getByRole('listitem').getByRole('button');
  expect(await starters.count()).toBeGreaterThanOrEqual(3);
  await starters.first().click();
  await provenance().waitFor();
});

/** The text of the last answer as the page shows it, and as the server has it. */
async function bothTexts(): Promise<{ page: string; server: string }> {
  const receipt = await provenance()
    .last()
    .getByRole('link', { name: 'Receipt' })
    .getAttribute('href');
  const id = receipt?.split('/').at(-1);
  const events = await readEvents(await fetch(`${product.url}/chat/stream?id=${id}`));
  const texts = events
    .filter(({ event }) => event === 'token' || event === 'done')
    .map(({ data }) => JSON.parse(data).text);
  return { page: await shownText(page), server: plain(texts.join('')) };
}
/** What is left of Markdown on a page: the letters. */
const plain = (text: string) => text.replace(/[\s*`#|_-]+/g, '');
const shownText = async (where: Page) =>
  plain((await where.locator('.answer').last().textContent()) ?? '');
const longEnough = () =>
  eventually(
    async () => (await page.locator('.answer').last().textContent())?.length ?? 0,
  ).toBeGreaterThan(10);
const version = (of: Locator) => of.getByTestId('version').textContent();

test('stop keeps what was written, continue goes on with it, regenerate and edit make versions', async () => {
  await page.goto(product.url);
  {
    using _slow = await slowEngine(product);
    await ask('Write a very long story about a river, with many chapters.');
    await longEnough();
    await page.keyboard.press('Escape');
    await page.getByText('Stopped.').waitFor();
  }
  const stopped = await shownText(page);
  expect(stopped.length).toBeGreaterThan(5);
  await page.getByRole('button', { name: 'Continue' }).click();
  // The part that was stopped shows where it came from, too: that alone says nothing.
  await eventually(async () => (await shownText(page)).length).toBeGreaterThan(stopped.length);
  await provenance().waitFor();
  const whole = await shownText(page);
  expect(whole.startsWith(stopped)).toBe(true);
  expect(whole.length).toBeGreaterThan(stopped.length);
  expect(await answers().count()).toBe(1);

  await page.getByRole('button', { name: 'Regenerate' }).click();
  await answers().getByTestId('version').waitFor();
  expect(await version(answers())).toBe('2 / 2');
  await provenance().waitFor();
  await page.getByRole('button', { name: 'Previous version' }).click();
  await eventually(() => version(answers())).toBe('1 / 2');
  expect(await shownText(page)).toBe(whole);

  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await page.getByRole('textbox', { name: 'Edited question' }).fill('What is a hash?');
  expect(await seriousIn(page)).toEqual([]);
  await page.getByRole('textbox', { name: 'Edited question' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('What is a hash?').last().waitFor();
  await provenance().waitFor();
  const question = page.getByRole('listitem').filter({ hasText: 'You asked' });
  expect(await version(question)).toBe('2 / 2');
  await page.reload();
  await provenance().waitFor();
  expect(await version(question)).toBe('2 / 2');
  // A branch is entered where it was left: at its newest answer.
  await page.getByRole('button', { name: 'Previous version' }).first().click();
  await eventually(() => version(answers())).toBe('2 / 2');
  await page.getByRole('button', { name: 'Previous version' }).last().click();
  await eventually(() => shownText(page)).toBe(whole);
});

test('a refresh in the middle of an answer gets the rest once, and a second tab the same', async () => {
  using engine = await slowEngine(product);
  await page.goto(product.url);
  await ask('Tell me everything that you know about blockchains and hashes.');
  await longEnough();
  engine.hold();
  const other = await context.newPage();
  await Promise.all([page.reload(), other.goto(page.url())]);
  // Still being written.
  await page.getByRole('button', { name: 'Stop' }).waitFor();
  await other.getByRole('button', { name: 'Stop' }).waitFor();
  engine.release();
  await provenance().waitFor({ timeout: 60_000 });
  const { page: shown, server } = await bothTexts();
  expect(shown).toBe(server);
  expect(shown.length).toBeGreaterThan(20);
  await other.getByTestId('provenance').waitFor();
  expect(await shownText(other)).toBe(server);
});

test('losing the network in the middle of an answer loses nothing', async () => {
  using engine = await slowEngine(product);
  await page.goto(product.url);
  await ask('Explain step by step how a worker rebuilds a model from blocks.');
  await longEnough();
  engine.hold();
  const before = await shownText(page);
  // Drops the open line as a network does; the page must come back by itself.
  await context.setOffline(true);
  await page.getByText('The connection broke. Trying again; nothing is lost.').waitFor();
  expect((await shownText(page)).startsWith(before)).toBe(true);
  engine.release();
  await page.waitForTimeout(500);
  await context.setOffline(false);
  await provenance().waitFor({ timeout: 60_000 });
  const { page: shown, server } = await bothTexts();
  expect(shown).toBe(server);
  expect(shown.length).toBeGreaterThan(before.length);
  problems = problems.filter((problem) => !/ERR_INTERNET_DISCONNECTED|ERR_NETWORK/.test(problem));
});

lineTests(() => ({ product, context, page, problems }));
answerTests(() => ({ product, page }));

test('conversations are found, renamed, shared, saved and deleted', async () => {
  await page.goto(product.url);
  await ask('What is a Merkle tree?');
  await provenance().waitFor();
  const address = page.url();
  expect(address).toMatch(/\/c\/[\w-]{24}$/);
  await page
    .getByRole('link', { name: 'New conversation' })
    .or(page.getByRole('button', { name: 'New conversation' }))
    .click();
  await page.getByText('Ask a model').waitFor();
  await ask('Who are you?');
  await provenance().waitFor();

  const list = page.getByRole('navigation', { name: 'Conversations' });
  expect(await list.getByRole('link').allTextContents()).toEqual([
    'Who are you?',
    'What is a Merkle tree?',
  ]);
  await page.getByRole('searchbox', { name: 'Search conversations' }).fill('merkle');
  await eventually(() => list.getByRole('link').count()).toBe(1);
  await list.getByRole('link').click();
  await page.waitForURL(address);
  await page.getByRole('searchbox').fill('');

  const menu = (name: string) => page.getByRole('menuitem', { name });
  const more = () => page.getByRole('button', { name: 'More actions' }).click();
  await more();
  await menu('Rename').click();
  await page.getByRole('textbox', { name: 'Title' }).fill('Trees');
  expect(await seriousIn(page)).toEqual([]);
  await page.getByRole('textbox', { name: 'Title' }).focus();
  await page.keyboard.press('Enter');
  await list.getByRole('link', { name: 'Trees' }).waitFor();

  await page.getByRole('button', { name: 'Share', exact: true }).click();
  await page.getByRole('button', { name: 'Make a link' }).click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  expect(await seriousIn(page)).toEqual([]);
  await using stranger = await newReader();
  const guest = await stranger.newPage();
  expect((await guest.goto(link))?.status()).toBe(200);
  await guest.getByText('What is a Merkle tree?').waitFor();
  await guest.getByTestId('provenance').waitFor();
  // It would tell the answer's id, by which one reads on when the link is gone.
  expect(await guest.getByRole('link', { name: 'Receipt' }).count()).toBe(0);
  expect(await guest.getByRole('textbox').count()).toBe(0);
  expect(await seriousIn(guest)).toEqual([]);
  await guest.goto(address);
  await guest.getByText('There is no such conversation in this browser.').waitFor();
  await page.getByRole('button', { name: 'Take the link back' }).click();
  await page.getByRole('button', { name: 'Make a link' }).waitFor();
  expect((await guest.goto(link))?.status()).toBe(404);
  problems = problems.filter((problem) => !problem.includes('404'));
  await page.keyboard.press('Escape');

  for (const [item, file, has] of [
    ['Export as Markdown', 'Trees.md', '## You\n\nWhat is a Merkle tree?'],
    ['Export as JSON', 'Trees.json', '"format": "blyan.conversation.v1"'],
  ] as const) {
    const download = page.waitForEvent('download');
    await more();
    await menu(item).click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe(file);
    expect(await readFile(await saved.path(), 'utf8')).toContain(has);
  }

  const receipt = await provenance().getByRole('link', { name: 'Receipt' }).getAttribute('href');
  await more();
  await menu('Delete').click();
  const sure = page.getByRole('alertdialog').getByRole('button', { name: 'Delete' });
  await sure.waitFor();
  expect(await seriousIn(page)).toEqual([]);
  await sure.click();
  await page.waitForURL(`${product.url}/`);
  await eventually(() => list.getByRole('link').count()).toBe(1);
  const gone = await fetch(`${product.url}/chat/stream?id=${receipt?.split('/').at(-1)}`);
  expect(gone.status).toBe(404);
});

test('parameters are used, and tokens and receipt show what they did', async () => {
  const system = 'You answer in one short sentence.';
  await page.goto(product.url);
  await page.getByRole('button', { name: 'Parameters' }).click();
  const panel = page.getByRole('dialog');
  const field = (name: string) => panel.getByRole('textbox', { name });
  // Left open, they are as the model recommends.
  await panel.getByText("0.60, the model's").waitFor();
  await panel.getByText("0.95, the model's").waitFor();
  expect(await field('Longest answer').getAttribute('placeholder')).toMatch(/^\d+$/);
  await field('System prompt').fill(system);
  await panel.getByRole('slider', { name: 'Temperature' }).press('ArrowRight');
  await panel.getByRole('slider', { name: 'Top p' }).press('ArrowLeft');
  await panel.getByText('0.65', { exact: true }).waitFor();
  await panel.getByText('0.90', { exact: true }).waitFor();
  await field('Seed').fill('4711');
  await field('Longest answer').fill('6');
  await panel.getByRole('switch', { name: 'Keep the probabilities' }).click();
  await shots('parameters');
  await page.getByRole('button', { name: 'Done' }).click();
  await ask('What is Blyan?');
  await provenance().waitFor();
  expect(await provenance().textContent()).toContain('seed 4711');
  const address = await provenance().getByRole('link', { name: 'Receipt' }).getAttribute('href');
  await page.getByText('Cut at the length limit.').waitFor();

  await page.getByRole('button', { name: 'Tokens' }).click();
  await page.getByRole('button', { name: /%$/ }).nth(5).click();
  expect(await page.getByRole('row').count()).toBeGreaterThanOrEqual(6);
  await shots('tokens');
  expect(await seriousIn(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Where it came from' }).click();
  const fact = (name: string) =>
    panel.getByRole('term').filter({ hasText: name }).locator('xpath=following-sibling::dd');
  const lines = async (name: string) => await fact(name).getByRole('listitem').allTextContents();
  const links = (name: string) =>
    fact(name)
      .getByRole('link')
      .evaluateAll((all) => all.map((link) => link.getAttribute('href') ?? ''));
  await panel.getByRole('button', { name: 'Show all 14' }).click();
  await panel.getByText('B 13 · layer.11').waitFor();
  expect(await fact('Model block').textContent()).toContain('blyan-guide');
  expect(await links('Model block')).toEqual([
    expect.stringMatching(/^\/explorer\/A\/[0-9a-f]{64}$/),
  ]);
  const blocks = await links('Layer blocks (14)');
  expect(blocks.every((link) => /^\/explorer\/B\/[0-9a-f]{64}$/.test(link))).toBe(true);
  expect(new Set(blocks).size).toBe(14);
  expect(await lines('Workers')).toEqual([expect.stringMatching(/\w layers 0 to 11$/)]);
  const used = ['seed 4711', 'temperature 0.65', 'top_p 0.9', 'top_k 20', 'max_tokens 6'];
  expect(await lines('Parameters')).toEqual(used);
  // That the system prompt was read, too, can be counted.
  const messages = [
    { role: 'system', content: system },
    { role: 'user', content: 'What is Blyan?' },
  ];
  const { body: counted } = await chat(product.url, { messages, max_tokens: 1 });
  expect(await lines('Speed')).toContain(`${counted.usage.prompt_tokens} read, 6 written`);
  expect(await links('Genesis')).toHaveLength(1);
  const receipt = panel.getByRole('link', { name: 'Open the receipt' });
  expect(await receipt.getAttribute('href')).toContain(address);
  await shots('provenance');
  expect(await seriousIn(page)).toEqual([]);
  await page.keyboard.press('Escape');

  const cut = await shownText(page);
  await page.getByRole('button', { name: 'Continue' }).click();
  await eventually(async () => (await shownText(page)).length).toBeGreaterThan(cut.length);
  expect((await shownText(page)).startsWith(cut)).toBe(true);
  expect(await answers().count()).toBe(1);
});

test('the keyboard is enough, and a screen reader hears the beginning and the end', async () => {
  await page.goto(product.url);
  const field = page.getByRole('textbox', { name: 'Message' });
  await field.fill('안녕');
  // Enter that ends a composition sends nothing.
  await field.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
  await field.press('Shift+Enter');
  expect(await field.inputValue()).toBe('안녕\n');
  await field.fill('What is Blyan?');
  const heard = page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const region = document.querySelector('[role="status"].sr-only') as HTMLElement;
        const all: string[] = [];
        new MutationObserver(() => {
          const said = region.textContent ?? '';
          if (said && said !== all.at(-1)) all.push(said);
          if (/finished/.test(said)) resolve(all);
        }).observe(region, { childList: true, characterData: true, subtree: true });
      }),
  );
  await field.press('Enter');
  expect(await heard).toEqual(['Answering', 'The answer is finished']);
  // Tokens are in no live region.
  expect(await page.locator('[aria-live] .answer, [role="log"] .answer').count()).toBe(0);

  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').fill('parameters');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Parameters' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await shots('palette');
  expect(await seriousIn(page)).toEqual([]);
  await page.getByRole('combobox').fill('new conv');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${product.url}/`);
});

test('500 messages: the last is there at once, and scrolling up stays up while an answer is written', async () => {
  await chat(product.url, { prompt: 'Hi', max_tokens: 4 });
  using engine = await slowEngine(product);
  await page.goto(product.url);
  await ask('Say something long about rivers.');
  await longEnough();
  engine.hold();
  await lengthen(page.url().split('/').at(-1) ?? '', 500);
  await page.reload();
  // The list of conversations has the question's words, too, and earlier.
  await eventually(() => answers().count()).toBe(251);
  // What is on the screen is made in full, under the page's own policy; pictures are links.
  const made = (what: string) => page.locator(`.answer ${what}`).count();
  await eventually(() => made('pre span[style*="--sdm-c"]')).toBeGreaterThan(0);
  expect(await made('.katex')).toBeGreaterThan(0);
  const tables = await made('table');
  expect(tables).toBeGreaterThan(0);
  expect(tables).toBeLessThan(50);
  expect(await made('img')).toBe(0);
  const scroller = page.getByRole('region', { name: 'Conversation' });
  const where = () => scroller.evaluate((el) => el.scrollHeight - el.clientHeight - el.scrollTop);
  await eventually(where).toBeLessThan(5);
  await scroller.hover();
  await page.mouse.wheel(0, -900);
  await page.getByRole('button', { name: 'Latest' }).waitFor();
  const before = await where();
  engine.release();
  await page.waitForTimeout(500);
  expect(await where()).toBeGreaterThan(before / 2);
  await page.getByRole('button', { name: 'Latest' }).click();
  await eventually(where).toBeLessThan(5);
  await provenance().last().waitFor();

  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const copied = async (where: Locator, name: string) => {
    await where.getByRole('button', { name }).click();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const answer = answers().nth(249);
  expect(await copied(answer, 'Copy answer')).toBe(RICH);
  expect(await copied(answer, 'Copy code')).toBe('const answer = 42;\n');
  const question = page.getByRole('listitem').filter({ hasText: 'You asked: Question 249?' });
  expect(await copied(question, 'Copy question')).toBe('Question 249?');
});

const RICH = `An answer with **bold** words, a list, and $x^2$:

- one
- two

\`\`\`js
const answer = 42;
\`\`\`

| a | b |
| --- | --- |
| 1 | 2 |

![a picture](https://example.com/picture.png)
`;

/** More messages before the first question than anybody types, straight into the tables. */
async function lengthen(conversationId: string, count: number): Promise<void> {
  const { postgres } = JSON.parse(await readFile(path.join(data.dir, 'services.json'), 'utf8'));
  const db = createDb(`postgresql://blyan:${postgres.password}@127.0.0.1:${postgres.port}/blyan`);
  try {
    const answered = await db.request.findFirstOrThrow({ where: { status: 'completed' } });
    const name = (i: number) => `${conversationId}-${i}`;
    const numbers = Array.from({ length: count }, (_, i) => i);
    const text = RICH;
    await db.request.createMany({
      data: numbers
        .filter((i) => i % 2 === 1)
        .map((i) => ({
          ...answered,
          id: name(i),
          text,
          params: answered.params ?? {},
          receipt: answered.receipt ?? {},
        })),
    });
    await db.message.createMany({
      data: numbers.map((i) => ({
        id: name(i),
        conversationId,
        parentId: i === 0 ? null : name(i - 1),
        role: i % 2 === 0 ? ('user' as const) : ('assistant' as const),
        text: i % 2 === 0 ? `Question ${i / 2}?` : '',
        requestId: i % 2 === 0 ? null : name(i),
        createdAt: new Date(i),
      })),
    });
    await db.message.updateMany({
      where: { conversationId, parentId: null, id: { not: name(0) } },
      data: { parentId: name(count - 1) },
    });
  } finally {
    await db.$disconnect();
  }
}

test('a phone, dark, in Korean; axe finds nothing serious anywhere', async () => {
  await context.close();
  context = await newReader({
    viewport: { width: 390, height: 844 },
    locale: 'ko-KR',
    colorScheme: 'dark',
  });
  page = await context.newPage();
  await page.goto(product.url);
  expect(await page.getAttribute('html', 'lang')).toBe('ko');
  await page.getByText('blyan-guide 준비됨').waitFor();
  expect(await seriousIn(page)).toEqual([]);
  await page.getByRole('textbox', { name: '메시지' }).fill('What is Blyan?');
  await page.keyboard.press('Enter');
  await provenance().waitFor();
  const dir = process.env.BLYAN_SHOTS;
  if (dir) await page.screenshot({ path: path.join(dir, 'chat-phone-ko.png') });
  expect(await seriousIn(page)).toEqual([]);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(390);

  await page.getByRole('button', { name: '대화 목록 열기' }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'What is Blyan?' }).waitFor();
  expect(await seriousIn(page)).toEqual([]);
  await page.getByRole('button', { name: '보관되는 것' }).last().click();
  await page.getByText('워커가 이미 읽은 것은').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: '매개변수' }).click();
  await page.getByRole('switch').first().waitFor();
  expect(await seriousIn(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: /Switch to English/ }).click();
  await page.getByRole('button', { name: 'Parameters' }).waitFor();
  expect(await page.getAttribute('html', 'lang')).toBe('en');
});

test('without a worker it says so, and how to start one', async () => {
  const { worker = 0 } = await product.pids();
  await page.goto(product.url);
  process.kill(worker, 'SIGSTOP');
  try {
    const alert = page.getByRole('main').getByRole('alert');
    await alert.getByText('No worker is running.').waitFor({ timeout: 20_000 });
    await alert.getByText('npm start').waitFor();
    await ask('Is anybody there?');
    await answers().getByRole('alert').getByText('npm start', { exact: true }).waitFor();
    await shots('no-worker');
    expect(await seriousIn(page)).toEqual([]);
  } finally {
    process.kill(worker, 'SIGCONT');
  }
  await page.getByText('A worker is ready now.').waitFor({ timeout: 20_000 });
  await answers().getByRole('button', { name: 'Ask again' }).click();
  await provenance().waitFor();
  problems = problems.filter((problem) => !problem.includes('503'));
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
