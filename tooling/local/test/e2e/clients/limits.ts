/** What clients get when they may not, or not now: keys, limits, a full line, names of others. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { OPERATIONS } from '@blyan/protocol/rest/registry';
import { ChatOpenAI } from '@langchain/openai';
import { generateText } from 'ai';
import OpenAI from 'openai';
import { describe, expect, test, vi } from 'vitest';
import { ROOT } from '../../../src/product.ts';
import { type ClientContext, HELLO, MODEL, PATIENT_MS, refusalOf } from './support.ts';

/** Runs `npm run api-keys` as an operator does. @returns what it prints */
async function apiKeys(dataDir: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['tooling/local/bootstrap.mjs', 'api-keys', ...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_ENV: undefined, VITEST: undefined, BLYAN_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`api-keys ${args.join(' ')}: ${printed}`);
  return printed;
}

export function limitTests(context: ClientContext): void {
  const client = (apiKey = 'none') =>
    new OpenAI({ baseURL: context.baseUrl(), apiKey, maxRetries: 0 });
  const short = { model: MODEL, messages: [HELLO], temperature: 0, max_tokens: 4 };

  describe('limits', () => {
    test('a full line is 503 with its length, and when to come back', async () => {
      using _slow = await context.slow();
      const leaving = new AbortController();
      const before = await context.answers();
      const long = { ...short, max_tokens: 1500, temperature: 2, stream: true } as const;
      const options = { signal: leaving.signal };
      // So many run, and as many wait as may.
      const many = Array.from({ length: context.slots + context.maxWaiting });
      await Promise.all(
        many.slice(0, context.slots).map(() => client().chat.completions.create(long, options)),
      );
      await vi.waitFor(async () => expect(await context.queued()).toBe(0), { timeout: PATIENT_MS });
      await Promise.all(
        many.slice(context.slots).map(() => client().chat.completions.create(long, options)),
      );
      const refused = await refusalOf(client().chat.completions.create(short));
      expect(refused).toBeInstanceOf(OpenAI.InternalServerError);
      expect(refused).toMatchObject({ status: 503, code: 'queue_full' });
      const { headers } = refused as { headers: Headers };
      expect(headers.get('x-queue-length')).toBe(String(context.maxWaiting));
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      leaving.abort();
      await context.untilCancelled(before, many.length);
    });

    test('a key has its own limits, and ends at once', async () => {
      const [key = ''] = (
        await apiKeys(context.dataDir(), 'create', 'test', '--requests', '2')
      ).split('\n');
      const { response } = await client(key).chat.completions.create(short).withResponse();
      expect(response.headers.get('x-ratelimit-limit-requests')).toBe('2');
      expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('1');
      const stream = client(key).chat.completions.create({ ...short, stream: true });
      const { headers } = (await stream.withResponse()).response;
      expect(headers.get('x-ratelimit-remaining-requests')).toBe('0');
      for await (const _chunk of await stream);

      const refused = await refusalOf(client(key).chat.completions.create(short));
      expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
      expect(refused).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
      expect(Number((refused as { headers: Headers }).headers.get('retry-after'))).toBeGreaterThan(
        0,
      );

      expect(await apiKeys(context.dataDir(), 'list')).toContain(key.slice(0, 12));
      await apiKeys(context.dataDir(), 'revoke', key.slice(0, 12));
      const late = await refusalOf(client(key).chat.completions.create(short));
      expect(late).toBeInstanceOf(OpenAI.AuthenticationError);
      // Whoever has none is served as before.
      await client().chat.completions.create(short);
    });

    test('a wrong key is 401 in every client', async () => {
      const apiKey = `blyan_${'x'.repeat(43)}`;
      const baseURL = context.baseUrl();
      expect(await refusalOf(client(apiKey).chat.completions.create(short))).toMatchObject({
        status: 401,
        code: 'invalid_api_key',
      });
      expect(await refusalOf(client(apiKey).models.list())).toMatchObject({ status: 401 });
      const model = createOpenAICompatible({ name: 'blyan', baseURL, apiKey }).chatModel(MODEL);
      expect(
        await refusalOf(generateText({ model, prompt: 'Hello', maxRetries: 0 })),
      ).toMatchObject({ statusCode: 401 });
      const configuration = { baseURL };
      const chain = new ChatOpenAI({ model: MODEL, apiKey, configuration, maxRetries: 0 });
      expect(await refusalOf(chain.invoke('Hello'))).toMatchObject({ status: 401 });
    });
  });

  describe('the server', () => {
    const root = () => context.baseUrl().replace(/\/v1$/, '');
    const withHeaders = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const outgoing = request(`${root()}/health`, { headers }, (incoming) => {
          incoming.resume();
          resolve(incoming.statusCode ?? 0);
        });
        outgoing.on('error', reject).end();
      });

    test('answers to its own names and pages only', async () => {
      expect(await withHeaders({})).toBe(200);
      expect(await withHeaders({ host: 'localhost' })).toBe(200);
      expect(await withHeaders({ host: 'evil.example' })).toBe(421);
      expect(await withHeaders({ origin: 'https://evil.example' })).toBe(403);
      expect(await withHeaders({ origin: root() })).toBe(200);
    });

    test('goes on in HTTP/1.1 with a client that offers HTTP/2, as Java does', async () => {
      const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': '' };
      expect(await withHeaders({})).toBe(200);
      expect(await withHeaders(offer)).toBe(200);
    });

    test('describes itself, at the root and under /api', async () => {
      const document = await (await fetch(`${root()}/openapi.json`)).json();
      expect(document.openapi).toBe('3.1.0');
      expect(document.paths['/v1/chat/completions'].post.requestBody.required).toBe(true);
      expect(await (await fetch(`${root()}/api/openapi.json`)).json()).toEqual(document);
    });

    const ask = { prompt: 'Hello', max_tokens: 4 };
    const conversation = { messages: [HELLO], max_tokens: 4, logprobs: true, top_logprobs: 1 };
    test.each([
      ['get', '/health', '/health', undefined],
      ['get', '/ready', '/ready', undefined],
      ['get', '/v1/models', '/v1/models', undefined],
      ['get', '/v1/models/{id}', `/v1/models/${MODEL}`, undefined],
      ['get', '/chain/{id}/blocks', '/chain/B/blocks?limit=2', undefined],
      ['get', '/chain/{id}/blocks', '/chain/B/blocks?limit=2&bodies=1', undefined],
      ['get', '/chain/{id}/block/{ref}', '/chain/A/block/1', undefined],
      ['get', '/chain/{id}/checkpoint', '/chain/A/checkpoint', undefined],
      ['post', '/chat', '/chat', ask],
      ['post', '/v1/completions', '/v1/completions', { ...ask, logprobs: 1 }],
      ['post', '/v1/chat/completions', '/v1/chat/completions', conversation],
    ])('%s %s answers what its document says (%s)', async (method, path, address, body) => {
      const operation = OPERATIONS.find((known) => known.method === method && known.path === path);
      const headers = { 'content-type': 'application/json' };
      const init = body ? { method: 'POST', headers, body: JSON.stringify(body) } : {};
      const response = await fetch(root() + address, init);
      const schema = operation!.replies[response.status]!.json!;
      const answer = await response.json();
      // Nothing is missing, and nothing is left out of the document.
      expect(schema.parse(answer)).toEqual(answer);
    });

    test.each(['/', '/docs', '/explorer'])('sends %s with a policy for its scripts', async (at) => {
      const page = await fetch(root() + at);
      const policy = page.headers.get('content-security-policy') ?? '';
      const nonce = /script-src 'self' 'nonce-(\w+)' 'strict-dynamic';/.exec(policy)?.[1];
      expect(nonce).toMatch(/^\w{32}$/);
      expect(page.headers.get('x-content-type-options')).toBe('nosniff');
      const scripts = (await page.text()).match(/<script\b[^>]*>/g) ?? [];
      expect(scripts.length).toBeGreaterThan(0);
      for (const script of scripts) expect(script).toContain(`nonce="${nonce}"`);
    });
  });
}
