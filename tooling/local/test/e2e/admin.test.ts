/** The pages of admins in a real browser. Set BLYAN_SHOTS to a directory to get pictures of them. */
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import axe from 'axe-core';
import pg from 'pg';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ENDLESS } from '../../src/chaos/load.ts';
import { findChromium } from '../../src/chromium.ts';
import { POSTGRES_USER } from '../../src/postgres.ts';
import { type Product, ROOT, startProduct } from '../../src/product.ts';
import { DATABASE } from '../../src/services.ts';
import { slowEngine, type TempDir, tempDataDir } from './support.ts';

const EMAIL = 'ada@example.org';
const PASSWORD = 'correct horse battery staple';

let data: TempDir;
let product: Product;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let problems: string[] = [];
/** The one-time link, as the start printed it. */
let link = '';
/** Of the second factor, base32. */
let secret = '';

beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({ dataDir: data.dir });
  browser = await chromium.launch({
    executablePath: findChromium(process.env, console.log),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  // One after the other, as one admin.
  context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
});
afterAll(async () => {
  await browser?.close();
  await product?.stop();
  await data[Symbol.asyncDispose]();
});
afterEach(() => {
  // A refusal that a test asks for is in the browser's console too.
  const real = problems.filter((text) => !/status of (400|401|403|429)/.test(text));
  problems = [];
  expect(real).toEqual([]);
});

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
const dialog = () => page.getByRole('dialog');
const row = (name: string) => page.getByRole('row').filter({ hasText: name });
const menu = async (key: string, item: string) => {
  await button(`Actions for ${key}`).click();
  await page.getByRole('menuitem', { name: item }).click();
};

/** In both themes and widths: nothing wider than the screen, nothing that axe calls serious. */
async function look(name: string): Promise<void> {
  for (const [device, width, height] of [
    ['desktop', 1280, 800],
    ['phone', 390, 844],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const theme of ['light', 'dark'] as const) {
      // Two of the four are enough to find what breaks; people want all of them.
      const checked = (device === 'phone') === (theme === 'dark');
      if (!checked && !process.env.BLYAN_SHOTS) continue;
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      await page.waitForTimeout(100);
      const where = `${name}, ${device}, ${theme}`;
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect.soft(overflow, `${where} is too wide`).toBeLessThanOrEqual(0);
      if (checked) {
        await page.evaluate(axe.source);
        const found = await page.evaluate(async () => {
          const { violations } = await (window as unknown as { axe: typeof axe }).axe.run();
          return violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
        });
        expect.soft(found, where).toEqual([]);
      }
      const dir = process.env.BLYAN_SHOTS;
      if (dir)
        await page.screenshot({ path: path.join(dir, `admin-${name}-${device}-${theme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

/** RFC 6238, six digits, 30 seconds, of a secret in base32. */
function totp(base32: string): string {
  let bits = '';
  for (const char of base32)
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** `npm run admin -- ... --json` */
function adminCommand(...args: string[]): unknown {
  const run = spawnSync(
    process.execPath,
    ['tooling/local/bootstrap.mjs', 'admin', ...args, '--json'],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, BLYAN_DATA_DIR: data.dir, DATABASE_URL: '', REDIS_URL: '' },
    },
  );
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout);
}

async function fillPassword(password: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await button('Sign in').click();
}

test('the link of the start makes the first admin, once', async () => {
  const printed = () => /\S+\/admin\/setup#\S+/.exec(product.output())?.[0] ?? '';
  await expect.poll(printed).toContain(product.url);
  link = printed();
  await page.goto(`${product.url}/admin`);
  await page.getByText('There is no admin yet').waitFor();
  await page.goto(link);
  await page.getByLabel('Name').fill('Ada');
  // The token is not in the address any more.
  expect(page.url()).toBe(`${product.url}/admin/setup`);
  await look('setup');
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Password, again').fill('something else');
  await button('Become an admin').click();
  await page.getByText('The two passwords differ.').waitFor();
  await page.getByLabel('Password, again').fill(PASSWORD);
  await button('Become an admin').click();
  await page.waitForURL('**/admin/account');
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByText('This link does not work.').waitFor();
});

test('a second factor is set up, and asked at the next sign-in', async () => {
  await page.goto(`${product.url}/admin/account`);
  await button('Turn on').click();
  await dialog().getByLabel('Password').fill(PASSWORD);
  await dialog().getByRole('button', { name: 'Continue' }).click();
  secret = (await dialog().locator('code').first().textContent()) ?? '';
  expect(secret).toMatch(/^[A-Z2-7]+$/);
  await look('second-factor');
  await dialog().getByLabel('Code', { exact: true }).fill(totp(secret));
  await dialog().getByRole('button', { name: 'Turn on' }).click();
  await button('I have kept them').click();
  await button('Turn off').waitFor();
  await look('account');

  await button('Sign out').click();
  await page.waitForURL('**/admin/sign-in');
  await fillPassword('wrong password here');
  await page.getByText('E-mail address or password are wrong.').waitFor();
  await look('sign-in');
  await fillPassword(PASSWORD);
  await page.getByLabel('Code').fill('000000');
  await button('Continue').click();
  await page.getByText('The code is wrong').waitFor();
  await page.getByLabel('Code').fill(totp(secret));
  await button('Continue').click();
  await page.waitForURL('**/admin/nodes');
});

test('wrong passwords are counted, for an account that is none as well', async () => {
  const attempt = () =>
    fetch(`${product.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: product.url },
      body: JSON.stringify({ email: 'nobody@example.org', password: PASSWORD }),
    });
  const answers = await Promise.all(Array.from({ length: 11 }, attempt));
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(10).fill(401), 429]);
  const refused = answers.find(({ status }) => status === 429);
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(800);
});

test('a key is shown once, rotated after a confirmation, and revoked by its name', async () => {
  expect(adminCommand('keys', 'create', '--name', 'made by command')).toMatchObject({
    secret: expect.stringMatching(/^blyan_/),
    key: { createdBy: expect.any(String), state: 'active' },
  });
  await page.goto(`${product.url}/admin/keys`);
  await row('made by command').waitFor();
  await button('New key').click();
  await dialog().getByLabel('Name').fill('worker of Bob');
  await dialog().getByLabel('Address ranges').fill('nowhere');
  await dialog().getByRole('button', { name: 'Create key' }).click();
  await dialog().getByText('is no address range').waitFor();
  await dialog().getByLabel('Address ranges').fill('203.0.113.0/24');
  await look('new-key');
  await dialog().getByRole('button', { name: 'Create key' }).click();
  const shown = await dialog().locator('code').last().textContent();
  expect(shown).toMatch(/^BLYAN_API_KEY=blyan_[\w-]{43}$/);
  await dialog().getByRole('button', { name: 'Copy', exact: true }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
  await page.keyboard.press('Escape');
  expect(await dialog().isVisible()).toBe(true);
  await look('secret');
  await dialog().getByLabel('I have copied the key').check();
  await button('Done').click();
  await row('worker of Bob').waitFor();
  expect(await page.content()).not.toContain(shown?.slice('BLYAN_API_KEY='.length));

  await forgetConfirmation();
  await menu('worker of Bob', 'Rotate…');
  await dialog().getByLabel('The old secret ends').selectOption('7');
  await button('Rotate key').click();
  const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
  await confirm.getByLabel('Password').fill(PASSWORD);
  await confirm.getByLabel('Code', { exact: true }).fill(totp(secret));
  await confirm.getByRole('button', { name: 'Confirm' }).click();
  await dialog().getByLabel('I have copied the key').check();
  await button('Done').click();
  await row('worker of Bob').getByText('old secret ends').waitFor();
  await look('keys');

  await menu('worker of Bob', 'Edit…');
  await dialog().getByLabel('Nodes at a time').fill('4');
  await dialog().getByLabel('Address ranges').fill('');
  await look('edit-key');
  await button('Save').click();
  await row('worker of Bob').getByText('0 of 4').waitFor();
  await row('worker of Bob').getByText('anywhere').waitFor();

  await page.getByLabel('Search keys').fill('bob');
  await page.waitForURL(/q=bob/);
  await row('made by command').waitFor({ state: 'detached' });
  const download = page.waitForEvent('download');
  await button('CSV').click();
  const csv = await readFile(await (await download).path(), 'utf8');
  expect(csv.split('\r\n')).toHaveLength(3);
  expect(csv).toContain(',worker of Bob,');

  await menu('worker of Bob', 'Revoke…');
  await dialog().getByLabel('Type worker of Bob to confirm').fill('worker of bob');
  expect(await button('Revoke key').isDisabled()).toBe(true);
  await dialog().getByLabel('Type worker of Bob to confirm').fill('worker of Bob');
  await button('Revoke key').click();
  await row('worker of Bob').getByText('revoked').waitFor();
});

test('keys are filtered, sorted, disabled and enabled, and the address keeps how they are shown', async () => {
  await page.goto(`${product.url}/admin/keys`);
  const names = () => page.getByRole('row').locator('td:first-child .font-medium').allInnerTexts();
  const all = ['made by command', 'this machine', 'worker of Bob'];
  await row('this machine').waitFor();
  await button('Name').click();
  await page.waitForURL(/sort=name/);
  await expect.poll(names).toEqual(all);
  await button('Name').click();
  await page.waitForURL(/sort=-name/);
  await expect.poll(names).toEqual([...all].reverse());
  await page.getByLabel('State').selectOption('active');
  await page.waitForURL(/state=active/);
  await expect.poll(names).toEqual(['this machine', 'made by command']);

  await menu('made by command', 'Disable');
  await page.getByText('made by command is disabled').waitFor();
  await row('made by command').waitFor({ state: 'detached' });
  await page.getByLabel('State').selectOption('disabled');
  await row('made by command').getByText('disabled').waitFor();
  await expect.poll(names).toEqual(['made by command']);
  await page.reload();
  await row('made by command').waitFor();
  await expect.poll(names).toEqual(['made by command']);
  await menu('made by command', 'Enable');
  await page.getByText('made by command is enabled').waitFor();
  await page.getByText('No key fits the filter.').waitFor();
  await page.getByLabel('State').selectOption('');
  await row('made by command').getByText('active').waitFor();
  await expect.poll(names).toEqual([...all].reverse());
});

/** As if the last proof were ten minutes old. */
async function forgetConfirmation(): Promise<void> {
  const { postgres } = JSON.parse(await readFile(path.join(data.dir, 'services.json'), 'utf8'));
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port: postgres.port, database: DATABASE },
    ...{ user: POSTGRES_USER, password: postgres.password },
  });
  await client.connect();
  await client.query(
    `UPDATE "AdminSession" SET "createdAt" = "createdAt" - interval '10 minutes', "confirmedAt" = NULL`,
  );
  await client.end();
}

test('the audit log has all of it, with what changed', async () => {
  await page.getByRole('link', { name: 'Audit log' }).click();
  const action = (name: string) => page.getByRole('row').filter({ hasText: name }).first();
  for (const name of [
    'key.revoke',
    'key.edit',
    'key.rotate',
    'key.create',
    'admin.sign_in_failed',
  ]) {
    await action(name).waitFor();
  }
  await action('key.rotate').getByRole('button').click();
  await page.getByRole('definition').filter({ hasText: 'after: ' }).first().waitFor();
  await look('audit');
  await page.getByLabel('Action').selectOption('admin');
  await action('key.revoke').waitFor({ state: 'detached' });
  expect(await action('admin.create').textContent()).toContain(EMAIL);
  expect(await action('admin.create').textContent()).toContain('127.0.0.1');
});

/** Id of the product's own worker. */
let worker = '';
const cell = (index: number) => row(worker).getByRole('cell').nth(index).textContent();

test('the nodes page is live', async () => {
  await page.getByRole('link', { name: 'Nodes' }).click();
  const ready = page.getByRole('row').filter({ hasText: 'blyan-guide' });
  await ready.getByText('ready').waitFor();
  worker = (await ready.locator('.font-medium').textContent()) ?? '';
  await look('nodes');
  const heartbeat = () => row(worker).locator('time').getAttribute('datetime');
  const before = await heartbeat();
  await expect.poll(heartbeat).not.toBe(before);
  await button('Node').click();
  expect(page.url()).toContain('sort=node');

  expect(await cell(0)).toBe(`${worker}this machine · 127.0.0.1`);
  expect(await cell(2)).toMatch(/^blyan-guidelayers 0 to \d+, cpu$/);
  expect(await cell(3)).toMatch(/^[\d.]+ MiBof [\d.]+ [MG]iB$/);
  expect(await cell(5)).toBe('0 of 8');
  expect(await cell(6)).toMatch(/^\d+\.\d+\.\d+/);
  const leaving = new AbortController();
  const ask = () =>
    fetch(`${product.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Hello', max_tokens: 400, logit_bias: ENDLESS }),
      signal: leaving.signal,
    }).catch(() => undefined);
  {
    using _slow = await slowEngine(product);
    // More at a time than it has places.
    const answers = Array.from({ length: 9 }, ask);
    await expect.poll(() => cell(5), { timeout: 15_000 }).toBe('8 of 8');
    const rate = async () => Number((await cell(4))?.replaceAll(',', ''));
    await expect.poll(rate, { timeout: 15_000 }).toBeGreaterThan(0);
    await page.getByText('1 request waits for a worker.').waitFor();
    leaving.abort();
    await Promise.all(answers);
  }
  await expect.poll(() => cell(5), { timeout: 15_000 }).toBe('0 of 8');
  expect(adminCommand('nodes', 'list')).toMatchObject([
    { id: worker, state: 'ready', model: { name: 'blyan-guide' }, running: 0, waiting: 0 },
  ]);
});

test('a node is drained, evicted, and let in again', async () => {
  const items = () => page.getByRole('menuitem').allInnerTexts();
  await button(`Actions for ${worker}`).click();
  // The list is read again each second: a menu that is open stays so.
  const heartbeat = () => row(worker).locator('time').getAttribute('datetime');
  const before = await heartbeat();
  await expect.poll(heartbeat, { timeout: 10_000 }).not.toBe(before);
  await page.getByRole('menuitem', { name: 'Drain' }).click();
  await page.getByText(`${worker} finishes its work`).waitFor();
  // It ends, and is refused when it comes again.
  await expect.poll(() => cell(1), { timeout: 30_000 }).toMatch(/^(silent|gone)is to drain$/);
  await button(`Actions for ${worker}`).click();
  await expect.poll(items).toEqual(['Lift', 'Evict…']);
  await page.getByRole('menuitem', { name: 'Lift' }).click();
  await page.getByText(`${worker} may work again`).waitFor();
  await expect.poll(() => cell(1), { timeout: 60_000 }).toBe('ready');

  await menu(worker, 'Evict…');
  await look('evict');
  await button('Evict node').click();
  await page.getByText(`${worker} is cut off`).waitFor();
  await expect.poll(() => cell(1), { timeout: 15_000 }).toBe('evicted');
  await button(`Actions for ${worker}`).click();
  await expect.poll(items).toEqual(['Lift']);
  await page.getByRole('menuitem', { name: 'Lift' }).click();
  await expect.poll(() => cell(1), { timeout: 60_000 }).toBe('ready');
}, 180_000);
