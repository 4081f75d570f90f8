/** A worker that dies in the middle of an answer. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Product, startProduct } from '../../src/product.ts';
import { readEvents, type TempDir, tempDataDir } from './support.ts';

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

const ask = (prompt: string) =>
  fetch(`${product.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'blyan-guide',
      messages: [{ role: 'user', content: prompt }],
      stream: true,
      max_tokens: 400,
      temperature: 1.5,
      seed: 7,
    }),
    signal: AbortSignal.timeout(60_000),
  });

interface Outcome {
  text: string;
  /** finish_reason, or the code of the terminal error. */
  endings: string[];
}

async function read(response: Response, onText: (text: string) => void): Promise<Outcome> {
  const outcome: Outcome = { text: '', endings: [] };
  await readEvents(response, ({ data: raw }) => {
    if (raw === '[DONE]') return;
    const chunk = JSON.parse(raw);
    if (chunk.error) outcome.endings.push(String(chunk.error.code));
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason) outcome.endings.push(choice.finish_reason);
    if (!choice?.delta?.content) return;
    outcome.text += choice.delta.content;
    onText(outcome.text);
  });
  return outcome;
}

test('the answer goes on, or ends with one terminal error, within 30 seconds', async () => {
  const response = await ask('Tell me everything that you know about Blyan.');
  expect(response.status).toBe(200);
  let killedAt = 0;
  let before = '';
  const outcome = await read(response, (text) => {
    if (killedAt > 0) return;
    killedAt = Date.now();
    before = text;
    void product.kill('worker');
  });
  const tookMs = Date.now() - killedAt;
  console.log(
    `worker killed: ${outcome.endings} after ${tookMs} ms, ${outcome.text.length} characters`,
  );
  expect(killedAt).toBeGreaterThan(0);
  expect(tookMs).toBeLessThan(30_000);
  expect(outcome.endings).toHaveLength(1);
  // What was shown stays; nothing is repeated from the start.
  expect(outcome.text.startsWith(before)).toBe(true);
  expect(outcome.text.slice(before.length).startsWith(before)).toBe(false);
});

test('and the next one is answered', async () => {
  await expect
    .poll(async () => (await fetch(`${product.url}/ready`)).status, { timeout: 60_000 })
    .toBe(200);
  const response = await ask('Hello');
  const outcome = await read(response, () => undefined);
  expect(outcome.endings).toEqual([expect.stringMatching(/stop|length/)]);
});
