/**
 * The explorer's pages in a real browser, before the product and before a server that tampers: every
 * verification must catch it at the right step. Set BLYAN_SHOTS to a directory to get pictures.
 */
import { copyFile, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findChromium } from '../../src/chromium.ts';
import { type Product, ROOT, startProduct } from '../../src/product.ts';
import { inspectPage } from './inspect-page.ts';
import { secondModelTests } from './second-model.ts';
import { chat, readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';
import {
  changeBlock,
  changeJson,
  flip,
  flipBase64,
  flipHex,
  renameHash,
  type Tamper,
  TamperingServer,
} from './tampering.ts';

/** Of the issue: the whole embedded model, all 22 MB of it. */
const MODEL_VERIFIED_MS = 10_000;

interface Tensor {
  name: string;
  root: string;
  block: string;
  group: string;
  byteLength: number;
}

let data: TempDir;
let product: Product;
let liar: TamperingServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let problems: string[];
let model: string;
/** The embedding, of three chunks. */
let embedding: Tensor;
let query: Tensor;

beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({ dataDir: data.dir });
  liar = await TamperingServer.before(product.url);
  browser = await chromium.launch({
    executablePath: findChromium(process.env, console.log),
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  model = (await json('/models')).models[0].hash;
  const tensors = async (search: string) =>
    (await json(`/models/${model}/tensors?${search}`)).tensors[0] as Tensor;
  embedding = await tensors('group=embedding');
  query = await tensors('group=layer.3&q=q_proj');
});
afterAll(async () => {
  await browser?.close();
  await liar?.[Symbol.asyncDispose]();
  await product?.stop();
  await data[Symbol.asyncDispose]();
});
beforeEach(async () => {
  liar.tamper = (_, bytes) => bytes;
  context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
  });
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (line) => line.type() === 'error' && problems.push(line.text()));
});
afterEach(async ({ task }) => {
  const dir = process.env.BLYAN_SHOTS;
  if (dir && task.result?.state === 'fail') {
    const name = `failed-${task.name.replaceAll(/\W+/g, '-').slice(0, 40)}.png`;
    await page.screenshot({ path: path.join(dir, name) });
  }
  await context.close();
  expect(problems).toEqual([]);
});

async function writeAt(file: string, at: number, bytes: number[]): Promise<void> {
  await using handle = await open(file, 'r+');
  await handle.write(Uint8Array.from(bytes), 0, bytes.length, at);
}

const json = async (at: string) => (await fetch(product.url + at)).json();
const failure = () => page.getByTestId('verify-failure');
const step = (name: string) => page.locator(`[data-step="${name}"][data-mark]`).first();
const holds = () => page.getByText('verified: everything holds');
const press = (name: string) => page.getByRole('button', { name, exact: true }).click();

const inspect = (name: string) => inspectPage(page, name);

describe('pages', () => {
  test('home: chains, growth, blocks; the search finds, leads on, or says that nothing matches', async () => {
    await page.goto(`${product.url}/explorer`);
    await page.getByText('Latest blocks of chain B').waitFor();
    await page.getByText('kept in this browser since your first visit').waitFor();
    await page.locator('.recharts-area').waitFor();
    await inspect('home');
    await page.keyboard.press('/');
    await page.keyboard.type('no such thing');
    await page.getByText('Nothing matches "no such thing"').first().waitFor();
    await page.getByRole('combobox').fill(query.root.slice(0, 12));
    await page.getByRole('option', { name: query.name }).waitFor();
    await inspect('search');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/explorer/tensor/${query.root}`);
    await page.keyboard.press('/');
    await page.getByRole('combobox').fill('layer.3');
    await page
      .getByRole('option', { name: /^layer\b/ })
      .first()
      .click();
    await page.waitForURL(`**/explorer/B/${query.block}`);
  });

  test('block: verified, its bytes with their fields marked', async () => {
    await page.goto(`${product.url}/explorer/B/${query.block}`);
    await press('Verify this block');
    await holds().waitFor();
    for (const name of ['body', 'header', 'signature', 'author', 'inclusion', 'checkpoint']) {
      expect(await step(name).getAttribute('data-mark')).toBe('held');
    }
    await inspect('block');
    const hex = page.getByTestId('hex-header');
    await hex.focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
    await page.getByText('Merkle root over all earlier blocks of this chain').first().waitFor();
    await press('body');
    await page.getByTestId('hex-body').waitFor();
    // What was verified is remembered: the next walk holds the history against it.
    await press('Verify again');
    await step('history').and(page.locator('[data-mark=held]')).waitFor();
  });

  test('without storage everything is verified, and the pin is said not to be kept', async () => {
    await page.addInitScript(() => {
      for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
        const get = () => {
          throw new DOMException('Access is denied for this document.', 'SecurityError');
        };
        Object.defineProperty(window, name, { get });
      }
    });
    await page.goto(`${product.url}/explorer/B/${query.block}`);
    await page.getByText('the pin is not kept').waitFor();
    await press('Verify this block');
    await holds().waitFor();
    await press('Verify again');
    await step('history').and(page.locator('[data-mark=held]')).waitFor();
    await inspect('unkept-pin');
    // The same document: what was pinned in it still is.
    await page.getByRole('link', { name: 'Explorer' }).first().click();
    await page.getByText('Latest blocks of chain B').waitFor();
    await page.getByText('the pin is not kept').waitFor();
    await page.goto(`${product.url}/explorer/own-file/${model}`);
    await page.getByText('the pin is not kept').waitFor();
    expect(await page.locator('input[type=file]').isEnabled()).toBe(true);
  });

  test('model: the whole of it is verified, its layers open, tensors are filtered', async () => {
    await page.goto(`${product.url}/explorer/model/${model}`);
    await press('Verify the whole model');
    await holds().waitFor({ timeout: 60_000 });
    const totals = (await page.getByTestId('verify-totals').textContent()) ?? '';
    console.log(`whole model: ${totals}`);
    expect(totals).toMatch(/2\d\.\d MiB/);
    const [, value, unit] = /in ([\d.]+) (ms|s),/.exec(totals) ?? [];
    expect(Number(value) * (unit === 's' ? 1000 : 1)).toBeLessThan(MODEL_VERIFIED_MS);
    await page.getByText('Key and value heads').waitFor();
    await inspect('model');
    await press('layer.3');
    await page.getByRole('link', { name: query.name }).waitFor();
    await page.getByRole('searchbox').fill('k_proj');
    await page
      .getByRole('link', { name: /k_proj/ })
      .nth(11)
      .waitFor();
    expect(await page.getByRole('link', { name: /_proj/ }).count()).toBe(12);
    expect(page.url()).toContain('q=k_proj');
    // Sorted over all that match, and read on: not the first ones, sorted.
    await page.getByRole('searchbox').fill('weight');
    await page.getByText('The first 100 are listed.').waitFor();
    const table = page.getByRole('region', { name: 'Layers and tensors' }).last();
    await table.getByRole('button', { name: 'Size' }).click();
    const rows = table.locator('tbody tr');
    const sorted = 'q=weight&sort=byteLength&order=desc';
    await page.locator(`a[href="/models/${model}/tensors?${sorted}&format=csv"]`).waitFor();
    const { tensors } = await json(`/models/${model}/tensors?${sorted}&limit=500`);
    // The second one: the first is the same in either order.
    await rows.nth(1).filter({ hasText: tensors[1].name }).waitFor();
    await press('Read more');
    await rows.nth(tensors.length - 1).waitFor();
    expect(await rows.getByRole('link', { name: /weight/ }).allTextContents()).toEqual(
      tensors.map(({ name }: Tensor) => name),
    );
  });

  test('tensor: decoded in the page, nearer down to single weights, verified whole and by chunk', async () => {
    await page.goto(`${product.url}/explorer/tensor/${embedding.root}`);
    await page.getByText('Standard deviation').waitFor();
    await press('Verify this tensor');
    await holds().waitFor();
    await inspect('tensor');
    const map = page.getByRole('application', { name: /Heatmap/ });
    const ranges: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith(`/blobs/${embedding.root}`))
        ranges.push(request.headers().range ?? 'all of it');
    });
    await map.focus();
    for (let i = 0; i < 6; i++) await page.keyboard.press('+');
    await page.getByText('Single weights').waitFor();
    const bytes = ranges.map((range) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
      return Number(to) - Number(from) + 1;
    });
    expect(bytes.at(-1)).toBeGreaterThan(0);
    expect(Math.max(...bytes)).toBeLessThan(embedding.byteLength);
    await page.keyboard.press('0');
    await page.getByText('Rows 0 to 6143').waitFor();
    await page.getByLabel('Chunk', { exact: true }).fill('2');
    await press('Verify this chunk');
    await holds().nth(1).waitFor();
  });

  test('what is not there is said, beside the search', async () => {
    await page.goto(`${product.url}/explorer/B/999999999`);
    await page.getByText('There is nothing at this address.').waitFor();
    await page.getByRole('combobox').waitFor();
    await inspect('not-found');
    // A whole hash in a message is broken, and does not widen the page.
    const message = `There is no blob with root ${embedding.root} here.`;
    const answer = { status: 404, json: { error: { code: 'blob_not_found', message } } };
    await page.route('**/blobs/**', (route) => route.fulfill(answer));
    await page.goto(`${product.url}/explorer/tensor/${embedding.root}`);
    await page.getByText(message).waitFor();
    await inspect('unreadable');
    problems = problems.filter((problem) => !problem.includes('404'));
  });

  test('lineage: from an answer to the file, as a graph and as a list', async () => {
    const { body } = await chat(product.url, { prompt: 'Hello', max_tokens: 4 });
    await page.goto(product.url + body.provenance.receipt);
    await page.getByText('14 layer blocks').click();
    await page.getByRole('link', { name: '14', exact: true }).waitFor();
    const fact = (name: string) =>
      page.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) });
    expect(await fact('Seed').textContent()).toContain(String(body.provenance.seed));
    expect(await fact('Times').textContent()).toMatch(/queued, .+ to the first token, .+ in all/);
    await inspect('receipt');
    await page.getByRole('link', { name: 'Follow its weights' }).click();
    await page.waitForURL(/lineage\?answer=/);
    const node = (title: string) =>
      page.locator('.react-flow__node').filter({ has: page.getByText(title, { exact: true }) });
    await node('layer.3').waitFor();
    const list = page.getByRole('region', { name: 'The same as a list' });
    await list.getByRole('link', { name: 'layer.4', exact: true }).click();
    await page.waitForURL(/group=layer\.4/);
    await node('layer.3').getByRole('link').click();
    await page.waitForURL(/group=layer\.3/);
    await node('self_attn.q_proj.weight').getByRole('link').click();
    await page.waitForURL(new RegExp(`tensor=${query.root}`));
    await page.locator('.react-flow__node').filter({ hasText: 'source file' }).waitFor();
    await inspect('lineage');
    await node('self_attn.q_proj.weight').getByRole('link').click();
    await page.waitForURL(`**/explorer/tensor/${query.root}`);
  });

  test('worker: from a receipt, which comes when the answer ends, or the search to what ran on it', async () => {
    const slow = await slowEngine(product);
    slow.hold();
    const response = await fetch(`${product.url}/chat/stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Hello', max_tokens: 4 }),
    });
    let answered: Promise<unknown> | undefined;
    const answer = await new Promise<string>((resolve) => {
      answered = readEvents(response, (start) => {
        if (start.event === 'start') resolve(JSON.parse(start.data).id);
      });
    });
    await page.goto(`${product.url}/explorer/receipt/${answer}`);
    await page.getByText('appears here then').waitFor();
    slow[Symbol.dispose]();
    await answered;
    const link = page.getByRole('region', { name: 'Workers' }).getByRole('link');
    const id = (await link.textContent()) ?? '';
    await link.click();
    await page.waitForURL(`**/explorer/node/${id}`);
    await page.getByRole('region', { name: 'What ran on it' }).getByText('blyan-guide').waitFor();
    // Asked without a browser's session: nobody is told which answer it was.
    await page.getByText('None of the conversations of this browser').waitFor();
    await inspect('node');
    await page.goto(`${product.url}/explorer`);
    await page.getByRole('combobox').fill(id);
    await page.getByRole('option', { name: id }).click();
    await page.waitForURL(`**/explorer/node/${id}`);
  });

  test('a file of the reader: made the blocks, or differs at a tensor that is named', async () => {
    const file = path.join(ROOT, 'models/blyan-guide/model-00001-of-00003.safetensors');
    await page.goto(`${product.url}/explorer/own-file/${model}`);
    await page.getByText('kept in this browser').waitFor();
    await page.locator('input[type=file]').setInputFiles(file);
    const verdict = page.getByTestId('own-file-verdict');
    await verdict.waitFor();
    expect(await verdict.getAttribute('data-good')).toBe('true');
    await inspect('own-file');
    const changed = path.join(data.dir, 'model-00001-of-00003.safetensors');
    await copyFile(file, changed);
    const at = 5712 + 1_000_000;
    const byte = (await readFile(file))[at]!;
    await writeAt(changed, at, [byte ^ 4]);
    await page.locator('input[type=file]').setInputFiles(changed);
    await page.getByText(`1 tensor differs: ${embedding.name}`).waitFor();
    await page.getByText('its bytes are not those that were imported').waitFor();
    // bf16: a NaN.
    await writeAt(changed, at & ~1, [0xc0, 0x7f]);
    await page.locator('input[type=file]').setInputFiles(changed);
    await page.getByText(`1 tensor cannot have been imported: ${embedding.name}`).waitFor();
    await page.getByText(`${embedding.name} holds NaN or an infinity`).waitFor();
    await inspect('own-file-refused');
  });

  secondModelTests(() => ({ product, dataDir: data.dir, page, model, embedding: embedding.name }));
});

type TensorCase = [
  name: string,
  tamper: () => Tamper,
  at: 'tensor' | 'chunk',
  step: string,
  code: string,
];
const TENSOR_CASES: TensorCase[] = [
  ['a chunk', () => flip(`/blobs/${embedding.root}`, 9), 'tensor', 'leaf', 'LEAF_MISMATCH'],
  [
    'the list of leaves',
    () => flip(`/blobs/${embedding.root}/leaves`, 40),
    'tensor',
    'path',
    'LEAF_LIST_MISMATCH',
  ],
  [
    'a proof of a chunk',
    () =>
      changeJson(`/proofs/chunk?root=${embedding.root}&index=0`, (proof) => ({
        ...proof,
        path: (proof.path as string[]).map((hash) => flipHex(hash)),
      })),
    'chunk',
    'path',
    'PROOF_INVALID',
  ],
  [
    'another block as the one that describes it',
    () => renameHash('/explorer/tensor/', embedding.block, query.block),
    'tensor',
    'descriptor',
    'TENSOR_UNKNOWN',
  ],
];

type BlockCase = [name: string, tamper: Tamper, step: string, code: string];
/** Block 4 of chain B is a layer. */
const BLOCK_CASES: BlockCase[] = [
  [
    'a body',
    changeBlock('B', 4, (block) => ({ ...block, bodyBytes: flipBase64(block.bodyBytes, 70) })),
    'body',
    'BODY_HASH',
  ],
  [
    'a header',
    changeBlock('B', 4, (block) => ({ ...block, headerBytes: flipBase64(block.headerBytes, 20) })),
    'header',
    'HASH_MISMATCH',
  ],
  [
    'a signature',
    changeBlock('B', 4, (block) => ({ ...block, signature: flipHex(block.signature) })),
    'signature',
    'SIGNATURE_INVALID',
  ],
  ['a missing block', changeBlock('B', 4, () => null), 'linkage', 'HEIGHT_GAP'],
  [
    'a checkpoint',
    changeJson('/chain/B/checkpoint', (answer) => ({
      ...answer,
      bytes: flipBase64(answer.bytes as string, 60),
    })),
    'checkpoint',
    'SIGNATURE_INVALID',
  ],
];

describe('a server that tampers is caught', () => {
  async function caught(name: string, code: string, with_: string): Promise<void> {
    await failure().waitFor();
    expect(await failure().getAttribute('data-step'), with_).toBe(name);
    expect(await failure().getAttribute('data-code'), with_).toBe(code);
    expect(await step(name).getAttribute('data-mark'), with_).toBe('failed');
    expect(await holds().count(), with_).toBe(0);
  }

  // What a blob's hash names is cached for good by the browser: one context a case.
  test.each(TENSOR_CASES)('with %s', async (with_, tamper, at, name, code) => {
    liar.tamper = tamper();
    await page.goto(`${liar.url}/explorer/tensor/${embedding.root}`);
    await press(`Verify this ${at}`);
    await caught(name, code, with_);
  });

  test('with header, body, signature, checkpoint, or a block that is missing', async () => {
    await page.goto(`${liar.url}/explorer/B/4`);
    for (const [i, [with_, tamper, name, code]] of BLOCK_CASES.entries()) {
      liar.tamper = tamper;
      await press(i === 0 ? 'Verify this block' : 'Verify again');
      await caught(name, code, with_);
    }
    liar.tamper = (_, bytes) => bytes;
    await press('Verify again');
    await holds().waitFor();
  });

  test('with a file of the model; shown in full', async () => {
    const { body } = await json(`/chain/A/block/${model}`);
    const file = body.files.find(({ path: name }: { path: string }) => name === 'config.json');
    liar.tamper = flip(`/blobs/${file.root}`, 3);
    await page.goto(`${liar.url}/explorer/model/${model}`);
    // The page itself cannot read the broken JSON, and says so.
    await press('Verify the whole model');
    await failure().waitFor();
    expect(await failure().getAttribute('data-step')).toBe('file');
    expect(await failure().textContent()).toContain('config.json');
    await inspect('failure');
  });

  test('with another genesis than the one that was pinned', async () => {
    await page.goto(`${liar.url}/explorer/B/4`);
    await press('Change');
    await page.getByLabel('Genesis hash of chain A').fill('ab'.repeat(32));
    await press('Pin');
    await page.getByText('This server now names another genesis').waitFor();
    await press('Verify this block');
    await failure().waitFor();
    expect(await failure().getAttribute('data-step')).toBe('genesis');
  });

  test('and one that does not answer is not called a liar', async () => {
    liar.tamper = (at, bytes) => (at === '/chain/B/checkpoint' ? { status: 503 } : bytes);
    await page.goto(`${liar.url}/explorer/B/4`);
    await press('Verify this block');
    await page.getByText('no verdict: the server did not answer').waitFor();
    problems = problems.filter((problem) => !problem.includes('503'));
  });

  test('and one that never answers is left', async () => {
    const never = new Promise<Buffer>(() => undefined);
    liar.tamper = (at, bytes) => (at === `/blobs/${embedding.root}` ? never : bytes);
    await page.goto(`${liar.url}/explorer/tensor/${embedding.root}`);
    await press('Verify this tensor');
    await step('root').and(page.locator('[data-mark=held]')).waitFor();
    await press('Cancel');
    await page.getByText('stopped before the end').waitFor();
    expect(await step('leaf').getAttribute('data-mark')).toBe('open');
  });
});
