/** Lines to answers, drafts and refusals of the chat page, for browser.test.ts. */
import type { BrowserContext, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import type { Product } from '../../src/product.ts';
import { slowEngine } from './support.ts';

interface Where {
  product: Product;
  context: BrowserContext;
  page: Page;
  /** What the browser complained of. */
  problems: string[];
}

const messageOf = (page: Page) => page.getByRole('textbox', { name: 'Message' });
const sendOf = (page: Page) => page.getByRole('button', { name: 'Send', exact: true });
const provenanceOf = (page: Page) => page.getByTestId('provenance');
const listOf = (page: Page) => page.getByRole('navigation', { name: 'Conversations' });
const newConversation = (page: Page) =>
  page.getByRole('button', { name: 'New conversation' }).first().click();
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look, { timeout: 20_000 });

async function ask(page: Page, question: string): Promise<void> {
  await messageOf(page).fill(question);
  await messageOf(page).press('Enter');
}

/** Answers whose events the page is being sent right now. */
function openLines(page: Page): Set<string> {
  const open = new Set<string>();
  const isLine = (address: string) => new URL(address).pathname === '/chat/stream';
  page.on('request', (request) => isLine(request.url()) && open.add(request.url()));
  const over = (request: { url(): string }) => open.delete(request.url());
  page.on('requestfinished', over);
  page.on('requestfailed', over);
  return open;
}

/** As when another tab comes before this one: a browser without a window never does that by itself. */
const setVisible = (page: Page, state: 'visible' | 'hidden') =>
  page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { value: now, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);

/** Opens the page as its HTML is: no script runs before `come()`. */
async function withoutLife(page: Page, address: string): Promise<{ come(): Promise<void> }> {
  const scripts = '**/*.js';
  const held: (() => void)[] = [];
  let alive = false;
  await page.route(scripts, async (route) => {
    if (!alive) await new Promise<void>((go) => held.push(go));
    await route.continue();
  });
  await page.goto(address, { waitUntil: 'commit' });
  return {
    async come() {
      alive = true;
      for (const go of held) go();
    },
  };
}

export function lineTests(where: () => Where): void {
  test('only the conversation that can be seen has a line, and it goes on where it was', async () => {
    const { product, page } = where();
    const open = openLines(page);
    using engine = await slowEngine(product);
    await page.goto(product.url);
    await ask(page, 'Write a very long story about a river, with many chapters.');
    const text = async () => (await page.locator('.answer').last().textContent()) ?? '';
    await eventually(async () => (await text()).length).toBeGreaterThan(10);
    engine.hold();
    const address = page.url();
    expect(open.size).toBe(1);

    await setVisible(page, 'hidden');
    await eventually(() => open.size).toBe(0);
    await setVisible(page, 'visible');
    await eventually(() => open.size).toBe(1);

    await newConversation(page);
    await page.getByText('Ask a model').waitFor();
    await eventually(() => open.size).toBe(0);
    await page.goBack();
    await page.waitForURL(address);
    await eventually(() => open.size).toBe(1);
    await setVisible(page, 'hidden');
    await eventually(() => open.size).toBe(0);
    engine.release();
    const before = await text();
    await setVisible(page, 'visible');
    await provenanceOf(page).waitFor({ timeout: 60_000 });
    const whole = await text();
    expect(whole.startsWith(before)).toBe(true);
    // What the server has, once.
    await page.reload();
    await provenanceOf(page).waitFor();
    await eventually(text).toBe(whole);
    expect(open.size).toBe(0);
  });

  test('what is typed is kept for each conversation, over a reload, and from before the page lives', async () => {
    const { product, context, page } = where();
    const early = await withoutLife(page, product.url);
    await messageOf(page).fill('What is Blyan?');
    expect(await sendOf(page).isDisabled()).toBe(true);
    await early.come();
    await eventually(() => sendOf(page).isEnabled()).toBe(true);
    expect(await messageOf(page).inputValue()).toBe('What is Blyan?');
    await messageOf(page).press('Enter');
    await provenanceOf(page).waitFor();
    expect(await messageOf(page).inputValue()).toBe('');

    await messageOf(page).fill('And what');
    await newConversation(page);
    await page.getByText('Ask a model').waitFor();
    expect(await messageOf(page).inputValue()).toBe('');
    await messageOf(page).fill('Another question');
    await listOf(page).getByRole('link', { name: 'What is Blyan?' }).click();
    await eventually(() => messageOf(page).inputValue()).toBe('And what');
    await page.reload();
    await eventually(() => messageOf(page).inputValue()).toBe('And what');
    await newConversation(page);
    await eventually(() => messageOf(page).inputValue()).toBe('Another question');

    // Another tab has drafts of its own.
    const other = await context.newPage();
    const late = await withoutLife(other, product.url);
    await messageOf(other).fill('Who are you?');
    await late.come();
    await eventually(() => sendOf(other).isEnabled()).toBe(true);
    await messageOf(other).press('Enter');
    await provenanceOf(other).waitFor();
    await listOf(page).getByRole('link', { name: 'Who are you?' }).waitFor();
    expect(await messageOf(page).inputValue()).toBe('Another question');
    await other.close();

    // With its conversation goes what was typed in it.
    const kept = () => page.evaluate(() => sessionStorage.getItem('blyan.drafts') ?? '');
    expect(await kept()).toContain('And what');
    await page.getByRole('button', { name: 'Actions for What is Blyan?' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
    await eventually(kept).not.toContain('And what');
    expect(await kept()).toContain('Another question');
  });

  test('a refusal says what to do about it', async () => {
    const at = where();
    const { product, page } = at;
    await page.goto(product.url);
    const longest = page.getByRole('textbox', { name: 'Longest answer' });
    await page.getByRole('button', { name: 'Parameters' }).click();
    await longest.fill('100000000');
    await page.getByRole('button', { name: 'Done' }).click();
    await ask(page, 'What is Blyan?');
    const answer = page.getByRole('article', { name: 'Answer' });
    const alert = answer.getByRole('alert');
    await alert.getByText('A parameter is outside of what is possible here.').waitFor();
    expect(await alert.textContent()).toMatch(/The server says: .* tokens/);
    await answer.getByRole('button', { name: 'Parameters' }).click();
    await longest.fill('8');
    await page.getByRole('button', { name: 'Done' }).click();
    await answer.getByRole('button', { name: 'Ask again' }).click();
    await provenanceOf(page).waitFor();
    at.problems.splice(0, Infinity, ...at.problems.filter((line) => !line.includes('400')));
  });
}
