/** A worker that dies in the middle of an answer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Product, startProduct } from '../../src/product.ts';
import { readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';

let data: TempDir;
let product: Product;
beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({ dataDir: data.dir });
});
afterAll(async () => {
  await product?.stop();
  await data[Symbol.asyncDispose]();
});

const SAMPLING = { temperature: 1.5, seed: 7, max_tokens: 400 };

const ask = (body: object) =>
  fetch(`${product.url}/chat/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(90_000),
  });

interface Outcome {
  text: string;
  tokens: number;
  /** `done` or `error`, each with its reason or code. */
  endings: string[];
  retries: number;
  /** Output positions in the order of arrival: no gap, no repeat. */
  inOrder: boolean;
}

async function read(response: Response, onToken: (tokens: number) => void): Promise<Outcome> {
  const outcome: Outcome = { text: '', tokens: 0, endings: [], retries: 0, inOrder: true };
  await readEvents(response, ({ event, data: raw }) => {
    const data = JSON.parse(raw);
    if (event === 'phase' && data.phase === 'retry') outcome.retries++;
    if (event === 'error') outcome.endings.push(`error ${data.error.code}`);
    if (event === 'done') outcome.endings.push(`done ${data.finish_reason}`);
    if (event !== 'token') return;
    if (data.position !== outcome.tokens) outcome.inOrder = false;
    outcome.tokens += data.count;
    outcome.text += data.text;
    onToken(outcome.tokens);
  });
  return outcome;
}

test('the answer goes on token for token, or ends with one terminal error, within 30 seconds', async () => {
  const prompt = 'Tell me everything that you know about Blyan.';
  const undisturbed = await read(await ask({ prompt, ...SAMPLING }), () => undefined);
  expect(undisturbed.tokens).toBeGreaterThan(20);
  const slow = await slowEngine(product);
  let killedAt = 0;
  const outcome = await read(await ask({ prompt, ...SAMPLING }), (tokens) => {
    if (killedAt > 0 || tokens < 5) return;
    killedAt = Date.now();
    void product.kill('worker').then(() => slow[Symbol.dispose]());
  });
  const tookMs = Date.now() - killedAt;
  console.log(`worker killed: ${outcome.endings} ${tookMs} ms later, ${outcome.tokens} tokens`);
  expect(killedAt).toBeGreaterThan(0);
  expect(outcome.endings).toHaveLength(1);
  expect(outcome.inOrder).toBe(true);
  if (outcome.endings[0]?.startsWith('done')) {
    expect(outcome.retries).toBe(1);
    expect(outcome.text).toBe(undisturbed.text);
  } else {
    expect(tookMs).toBeLessThan(30_000);
    expect(undisturbed.text.startsWith(outcome.text)).toBe(true);
  }
});

test('and the next one is answered', async () => {
  await expect
    .poll(async () => (await fetch(`${product.url}/ready`)).status, { timeout: 60_000 })
    .toBe(200);
  const outcome = await read(await ask({ prompt: 'Hello', max_tokens: 50 }), () => undefined);
  expect(outcome.endings).toEqual([expect.stringMatching(/^done (stop|length)$/)]);
});
