/** The HTTP API of the running product: what it answers, and what bad input gets. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { challengeText } from '@blyan/protocol/register';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Product, startProduct } from '../../src/product.ts';
import { explorerTests } from './api-explorer.ts';
import { APP_ORIGIN, refusalTests } from './api-refusals.ts';
import { samplingTests } from './api-sampling.ts';
import { readEvents, slowEngine, type TempDir, tempDataDir } from './support.ts';

/** The machine may be busy; less than a test's time, so that the failure says what did not come. */
const PATIENT_MS = 240_000;

let data: TempDir;
let product: Product;
beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({
    dataDir: data.dir,
    env: { BLYAN_CORS_ORIGINS: APP_ORIGIN },
  });
});
afterAll(async () => {
  await product?.stop();
  await data[Symbol.asyncDispose]();
});

const post = (path: string, body: unknown, init: RequestInit = {}) =>
  fetch(product.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENT_MS),
    ...init,
  });
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(product.url + path, { headers, signal: AbortSignal.timeout(PATIENT_MS) });

interface ReadableBlock {
  hash: string;
  header: { prev: string | null };
  body: { tensors?: { byteLength: number; root: string }[] };
}

describe('answers', () => {
  test('POST /chat as the README shows it, at the root and under /api', async () => {
    for (const path of ['/chat', '/api/chat']) {
      const response = await post(path, { prompt: 'Hello', max_tokens: 50 });
      expect(response.status).toBe(200);
      const body = await response.json();
      expect(body).toMatchObject({
        model: 'blyan-guide',
        response: expect.stringMatching(/\w/),
        finish_reason: expect.stringMatching(/stop|length/),
        usage: { prompt_tokens: expect.any(Number), completion_tokens: expect.any(Number) },
        provenance: {
          model: { name: 'blyan-guide', block: { chain: 'A', height: 1 } },
          layers: { count: 14, first: { group: 'embedding' }, last: { group: 'norm' } },
        },
      });
    }
  });

  test('the same seed gives the same answer, another seed another', async () => {
    const ask = async (seed: number) =>
      (
        await (
          await post('/chat', { prompt: 'Tell me a story', seed, temperature: 1.2, max_tokens: 40 })
        ).json()
      ).response;
    const [said, again, other] = await Promise.all([ask(1), ask(1), ask(2)]);
    expect(again).toBe(said);
    expect(other).not.toBe(said);
  });

  test('a stop string cuts the answer before it', async () => {
    const ask = async (stop?: string) =>
      (
        await post('/chat', { prompt: 'What is Blyan?', temperature: 0, max_tokens: 60, stop })
      ).json();
    const whole: { response: string } = await ask();
    const word = whole.response.split(' ')[4]!;
    const cut = await ask(word);
    expect(cut.finish_reason).toBe('stop');
    expect(cut.response).toBe(whole.response.slice(0, whole.response.indexOf(word)));
  });

  test('a stream can be resumed from any event and gives the same text, once', async () => {
    const response = await post('/chat/stream', {
      prompt: 'What is a block?',
      max_tokens: 60,
      temperature: 0,
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const raw = await response.text();
    const ids = [...raw.matchAll(/^id: ?(.+)$/gm)].map((match) => match[1]!);
    const start = JSON.parse(/^event: ?start\ndata: ?(.+)$/m.exec(raw)![1]!);
    const texts = (events: { event: string; data: string }[]) =>
      events.filter(({ event }) => event === 'token').map(({ data }) => JSON.parse(data).text);
    const whole = texts(await readEvents(new Response(raw)));
    const middle = ids[Math.floor(ids.length / 2)]!;
    const resumed = await get(`/chat/stream?id=${start.id}`, { 'last-event-id': middle });
    const rest = texts(await readEvents(resumed));
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.length).toBeLessThan(whole.length);
    expect(whole.slice(-rest.length)).toEqual(rest);
    const again = texts(await readEvents(await get(`/chat/stream?id=${start.id}`)));
    expect(again.join('')).toBe(whole.join(''));
  });

  test('several at once, each whole', async () => {
    const questions = ['What is Blyan?', 'What is a hash?', 'What is a GPU?', 'Who are you?'];
    const ask = async (prompt: string) =>
      (await (await post('/chat', { prompt, temperature: 0, max_tokens: 32 })).json()).response;
    const alone: string[] = [];
    for (const question of questions) alone.push(await ask(question));
    expect(await Promise.all(questions.map(ask))).toEqual(alone);
  });

  test('OpenAI chat completions, streamed with usage', async () => {
    const response = await post('/v1/chat/completions', {
      model: 'blyan-guide',
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 16,
      stream: true,
      stream_options: { include_usage: true },
    });
    const events = await readEvents(response);
    expect(events.at(-1)!.data).toBe('[DONE]');
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data));
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    expect(chunks[0].choices[0].delta).toMatchObject({ role: 'assistant', content: '' });
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: expect.any(Number) },
    });
    expect(chunks.at(-2).choices[0].finish_reason).toMatch(/stop|length/);
    const models = await (await get('/v1/models')).json();
    expect(models.data.map((model: { id: string }) => model.id)).toEqual(['blyan-guide']);
  });

  test('cancelling ends the answer with what was written', async () => {
    using _slow = await slowEngine(product);
    const response = await post('/chat/stream', {
      messages: [{ role: 'user', content: 'Write a long story.' }],
      max_tokens: 1500,
      temperature: 2,
      seed: 3,
    });
    let id = '';
    let tokens = 0;
    const events = await readEvents(response, ({ event, data }) => {
      if (event === 'start') id = JSON.parse(data).id;
      if (event === 'token' && ++tokens === 3) void post(`/chat/${id}/cancel`, {});
    });
    const done = JSON.parse(events.at(-1)!.data);
    expect(events.at(-1)!.event).toBe('done');
    expect(done.finish_reason).toBe('cancelled');
    expect(done.usage.completion_tokens).toBeLessThan(1000);
  });
});

samplingTests(post);

describe('bad input', () => {
  const context = 2048;
  test.each([
    ['malformed JSON', '/chat', '{"prompt": ', null, 'invalid_json'],
    ['a number as prompt', '/chat', { prompt: 5 }, 'prompt', 'invalid_type'],
    ['an empty prompt', '/chat', { prompt: '  ' }, 'prompt', 'empty_prompt'],
    ['no prompt', '/chat', {}, 'prompt', 'missing_field'],
    ['max_tokens of -1', '/chat', { prompt: 'Hi', max_tokens: -1 }, 'max_tokens', undefined],
    ['max_tokens of 10^9', '/chat', { prompt: 'Hi', max_tokens: 1e9 }, 'max_tokens', undefined],
    [
      'max_tokens as text',
      '/chat',
      { prompt: 'Hi', max_tokens: '5' },
      'max_tokens',
      'invalid_type',
    ],
    ['temperature of 9', '/chat', { prompt: 'Hi', temperature: 9 }, 'temperature', undefined],
    [
      'a prompt over the context',
      '/chat',
      { prompt: 'word '.repeat(context + 1) },
      'prompt',
      'context_length_exceeded',
    ],
    [
      'a penalty of 3',
      '/chat',
      { prompt: 'Hi', presence_penalty: 3 },
      'presence_penalty',
      undefined,
    ],
    [
      'a bias of a token that the model does not have',
      '/chat',
      { prompt: 'Hi', logit_bias: { 999999: 1 } },
      'logit_bias',
      'out_of_range',
    ],
    ['unknown ids', '/v1/completions', { prompt: [999999] }, 'prompt', 'out_of_range'],
    [
      'messages of a wrong role',
      '/v1/chat/completions',
      { messages: [{ role: 'wizard', content: 'Hi' }] },
      'messages.0.role',
      undefined,
    ],
  ])('%s is 400 and names the field', async (_name, path, body, param, code) => {
    const response = await post(path, body);
    expect(response.status).toBe(400);
    const { error } = await response.json();
    expect(error).toMatchObject({ message: expect.any(String), type: 'invalid_request_error' });
    expect(error.code).toEqual(code ?? expect.any(String));
    expect(error.param?.replace(/\[(\w+)\]/g, '.$1') ?? null).toBe(param);
  });

  test('a body over the limit is 413, also when its length is not announced', async () => {
    const big = JSON.stringify({ prompt: 'x'.repeat(2 * 1024 * 1024) });
    expect((await post('/chat', big)).status).toBe(413);
    const stream = new Blob([big]).stream();
    const chunked = await post('/chat', '', { body: stream, duplex: 'half' } as RequestInit);
    expect(chunked.status).toBe(413);
  });

  test('an unknown model, block, blob or answer is 404', async () => {
    expect((await post('/chat', { prompt: 'Hi', model: 'none' })).status).toBe(404);
    expect((await get('/chain/A/block/999')).status).toBe(404);
    expect((await get(`/chain/B/block/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get(`/blobs/${'0'.repeat(64)}`)).status).toBe(404);
    expect((await get('/chat/stream?id=aaaaaaaaaaaaaaaaaaaaaaaa')).status).toBe(404);
  });

  test('a node without the key is refused', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { x = '' } = publicKey.export({ format: 'jwk' });
    const node = { nodeId: 'stranger', publicKey: Buffer.from(x, 'base64url').toString('hex') };
    const { challenge } = await (await post('/gpu/challenge', node)).json();
    const text = Buffer.from(challengeText(challenge, node.nodeId));
    const signature = sign(null, text, privateKey).toString('hex');
    const body = { ...node, version: '1', challenge, signature };
    expect((await post('/gpu/register', body)).status).toBe(401);
    const headers = { 'content-type': 'application/json', authorization: 'Bearer wrong' };
    expect((await post('/gpu/register', body, { headers })).status).toBe(401);
    expect((await get('/gpu/status')).status).toBe(401);
  });
});

describe('chain and blobs', () => {
  test('blocks link, and blobs have the hash that they are named by', async () => {
    const { size } = await (await get('/chain/B/blocks?limit=1')).json();
    expect(size).toBe(15);
    const blocks: ReadableBlock[] = [];
    for (let height = 0; height < size; height++)
      blocks.push(await (await get(`/chain/B/block/${height}`)).json());
    blocks.slice(1).forEach((block, i) => {
      expect(block.header.prev).toBe(blocks[i]!.hash);
    });
    const tensors = blocks.flatMap(({ body }) => body.tensors ?? []);
    const tensor = tensors.find(({ byteLength }) => byteLength < 1 << 20)!;
    const bytes = Buffer.from(await (await get(`/blobs/${tensor.root}`)).arrayBuffer());
    expect(bytes).toHaveLength(tensor.byteLength);
    const leaf = createHash('sha256')
      .update(Buffer.from([0]))
      .update(bytes)
      .digest('hex');
    expect(leaf).toBe(tensor.root);
    const part = await get(`/blobs/${tensor.root}`, { range: 'bytes=10-19' });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(10, 20));
    expect(part.headers.get('cache-control')).toContain('immutable');
    const outside = await get(`/blobs/${tensor.root}`, { range: `bytes=${bytes.length}-` });
    expect(outside.status).toBe(416);
  });

  test('a block is found by height and by hash', async () => {
    const byHeight = await (await get('/chain/A/block/1')).json();
    const byHash = await (await get(`/chain/A/block/${byHeight.hash}`)).json();
    expect(byHash).toEqual(byHeight);
    expect(byHeight.body.name).toBe('blyan-guide');
  });
});

refusalTests(() => product.url);
explorerTests(() => product.url);
