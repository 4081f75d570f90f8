/** Keys, limits and the line, on a real database and a real Redis. */
import { randomBytes } from 'node:crypto';
import { createApiKey, revokeApiKey } from '@blyan/db/api-keys';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { disconnect } from '@blyan/queue/connection';
import { CLUSTER_KEY, LIMIT_PREFIX } from '@blyan/queue/names';
import { fetchRequestHandler } from '@trpc/server/adapters/fetch';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import type {} from '../../../tooling/local/src/test-context.ts';
import { withCaller } from '../src/door/caller.ts';
import { readConfig } from '../src/env.ts';
import { ask, askChoices, type Question } from '../src/server/answers/ask.ts';
import { questionOf } from '../src/server/answers/chat.ts';
import { type Context, createContext } from '../src/server/context.ts';
import { route } from '../src/server/http/route.ts';
import { admit } from '../src/server/limits/admission.ts';
import { Callers } from '../src/server/limits/callers.ts';
import { createTrpcContext } from '../src/server/trpc/init.ts';
import { appRouter } from '../src/server/trpc/root.ts';
import { readModel, serve, withModel } from './asking.ts';

let database: TestDatabase;
let ctx: Context;
const MAX_WAITING = 3;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  const redis = new URL(inject('redisUrl'));
  redis.pathname = '/11';
  ctx = createContext(
    readConfig({
      DATABASE_URL: database.url,
      REDIS_URL: redis.href,
      BLYAN_LOG_LEVEL: 'silent',
      BLYAN_REQUESTS_PER_MINUTE: '5',
      BLYAN_TOKENS_PER_MINUTE: '100',
      BLYAN_MAX_WAITING: String(MAX_WAITING),
    }),
  );
  // What `context()` finds.
  (globalThis as Record<symbol, unknown>)[Symbol.for('blyan.web.context')] = ctx;
});
afterAll(async () => {
  await ctx.intake[Symbol.asyncDispose]();
  await ctx.answers[Symbol.asyncDispose]();
  await disconnect(ctx.redis);
  await ctx.db.$disconnect();
  await database[Symbol.asyncDispose]();
});

let address = '';
let turn = 0;
beforeEach(async () => {
  turn += 1;
  address = `10.${process.pid % 250}.${Date.now() % 250}.${turn}`;
  await ctx.db.request.deleteMany();
});

let handled = 0;
/** A route that would begin an answer with so many tokens. */
const POST = route({
  limited: true,
  bodySchema: z.object({
    tokens: z.number(),
    answers: z.number().default(1),
    read: z.number().default(0),
  }),
  async handler({ body, ctx }) {
    handled += 1;
    await ctx.admission.check(body.answers);
    await ctx.admission.spend(body);
    return { ok: true };
  },
});

async function post(
  body: object | string = { tokens: 1 },
  { key, from = address }: { key?: string; from?: string } = {},
) {
  const request = new Request('http://localhost/chat', {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  });
  const response = await withCaller(from, () => POST(request, { params: Promise.resolve({}) }));
  const { error } = await response.json();
  return { status: response.status, code: error?.code, error, headers: response.headers };
}

const waiting = (count: number) =>
  ctx.db.request.createMany({
    data: Array.from({ length: count }, () => ({
      id: randomBytes(18).toString('base64url'),
      model: Buffer.alloc(32, 1),
      prompt: [1],
      params: { ...NEUTRAL, maxTokens: 1, seed: 1 },
      stop: [],
      deadline: new Date(Date.now() + 60_000),
    })),
  });

describe('an address', () => {
  test('has so many requests a minute, told in headers, and then 429', async () => {
    const answers: Awaited<ReturnType<typeof post>>[] = [];
    for (let i = 0; i < 6; i++) answers.push(await post());
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 429]);
    const left = answers.map(({ headers }) => headers.get('x-ratelimit-remaining-requests'));
    expect(left).toEqual(['4', '3', '2', '1', '0', '0']);
    const { headers, code, error } = answers[5]!;
    expect(code).toBe('rate_limit_exceeded');
    expect(error.type).toBe('rate_limit_error');
    expect(headers.get('x-ratelimit-limit-requests')).toBe('5');
    const seconds = Number(headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    // Somebody else is not concerned.
    expect((await post({ tokens: 1 }, { from: '10.0.0.1' })).status).toBe(200);
  });

  test('of a chat page is told when to ask again', async () => {
    const ask = () =>
      withCaller(address, () =>
        fetchRequestHandler({
          endpoint: '/api/trpc',
          req: new Request('http://localhost/api/trpc/conversations.ask', {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: '{}',
          }),
          router: appRouter,
          createContext: createTrpcContext,
        }),
      );
    for (let i = 0; i < 5; i++) expect((await ask()).status).toBe(400);
    const refused = await ask();
    expect(refused.status).toBe(429);
    const { data } = (await refused.json()).error.json;
    expect(data.reason).toBe('rate_limit_exceeded');
    expect(data.retryAfterMs).toBeGreaterThan(0);
    expect(data.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('has so many tokens a minute; what is refused is not counted', async () => {
    const first = await post({ tokens: 60 });
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('40');
    const second = await post({ tokens: 60 });
    expect(second).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(second.headers.get('x-ratelimit-remaining-tokens')).toBe('40');
    expect((await post({ tokens: 40 })).status).toBe(200);
  });

  test('pays for a prompt that was read, whatever comes of it', async () => {
    expect(await post({ tokens: 150, read: 30 })).toMatchObject({ status: 400 });
    const first = await post({ tokens: 40, read: 20 });
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('30');
    const second = await post({ tokens: 40, read: 20 });
    expect(second).toMatchObject({ status: 429 });
    expect(second.headers.get('x-ratelimit-remaining-tokens')).toBe('10');
  });

  test('pays for what is too long, and then nothing more is read', async () => {
    const model = await readModel();
    let read = 0;
    const { encode } = model.tokenizer;
    model.tokenizer.encode = (text) => {
      read += 1;
      return encode(text);
    };
    await serve(ctx);
    const asked = async (prompt: string) => {
      const admission = await admit(new Headers(), address, ctx.limits);
      const asking = ask(questionOf({ prompt }), { ...withModel(ctx, model), admission });
      const { status, code } = await asking.catch((error) => error);
      admission.taken();
      return { status, code, read };
    };
    const tooLong = { status: 400, code: 'context_length_exceeded' };
    // So long that it need not be read.
    expect(await asked('1'.repeat(100_000))).toEqual({ ...tooLong, read: 0 });
    expect(await asked('1'.repeat(model.context))).toEqual({ ...tooLong, read: 1 });
    const over = { status: 429, code: 'rate_limit_exceeded' };
    expect(await asked('Hello')).toEqual({ ...over, read: 1 });
  });

  test('pays nothing for a model that nobody serves: it is not even loaded', async () => {
    await ctx.redis.del(CLUSTER_KEY);
    const context = withModel(ctx, await readModel());
    let loaded = 0;
    const models = { ...context.models, load: async () => ++loaded } as never;
    const asking = ask(questionOf({ prompt: 'Hi' }), { ...context, models });
    await expect(asking).rejects.toMatchObject({ code: 'coordinator_unavailable' });
    expect(loaded).toBe(0);
  });

  test('gets 400, which no client repeats, for more tokens than can ever be', async () => {
    expect(await post({ tokens: 101 })).toMatchObject({ status: 400, code: 'out_of_range' });
  });

  test('its counters end by themselves', async () => {
    await post();
    const ttl = await ctx.redis.pttl(`${LIMIT_PREFIX}:requests:address:${address}`);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(60_000);
  });

  test('requests that come together are all counted', async () => {
    const answers = await Promise.all(Array.from({ length: 3 }, () => post()));
    const left = answers.map(({ headers }) => headers.get('x-ratelimit-remaining-requests'));
    expect(left.sort()).toEqual(['2', '3', '4']);
  });
});

describe('keys', () => {
  const limits = { name: 'test', requestsPerMinute: 2, tokensPerMinute: 0, expiresAt: null };

  test('until the first is made, any word will do; what looks like ours must be one', async () => {
    await ctx.db.apiKey.deleteMany();
    const anonymous = { requestsPerMinute: 5, tokensPerMinute: 100 };
    const callers = new Callers(anonymous, { db: ctx.db });
    const as = (key: string) => callers.of(new Headers({ authorization: `Bearer ${key}` }), 'here');
    for (const key of ['sk-whatever', 'none', '']) {
      expect(await as(key)).toMatchObject({ id: 'address:here', requests: 5 });
    }
    await expect(as('blyan_wrong')).rejects.toMatchObject({ status: 401 });
    await createApiKey(ctx.db, limits);
    const later = new Callers(anonymous, { db: ctx.db });
    const wrong = later.of(new Headers({ 'x-api-key': 'sk-whatever' }), 'here');
    await expect(wrong).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(await later.of(new Headers({ authorization: 'Bearer none' }), 'here')).toMatchObject({
      id: 'address:here',
    });
  });

  test('have limits of their own, wherever they come from', async () => {
    const { key } = await createApiKey(ctx.db, limits);
    expect((await post({ tokens: 1000 }, { key })).status).toBe(200);
    const second = await post({ tokens: 1000 }, { key, from: '10.0.0.2' });
    expect(second.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    // No limit, nothing to tell.
    expect(second.headers.get('x-ratelimit-limit-tokens')).toBeNull();
    expect((await post({}, { key })).status).toBe(429);
    expect((await post()).status).toBe(200);
  });

  test('that are wrong or revoked are 401, before the body is read', async () => {
    const { key, row } = await createApiKey(ctx.db, limits);
    await revokeApiKey(ctx.db, row.id);
    const before = handled;
    for (const wrong of [key, 'blyan_', 'sk-something']) {
      const answer = await post('no JSON', { key: wrong });
      expect(answer).toMatchObject({ status: 401, code: 'invalid_api_key' });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    expect(handled).toBe(before);
  });
});

test('a route that costs nothing refuses a wrong key all the same, and counts nothing', async () => {
  const GET = route({ keyed: true, handler: async () => ({ ok: true }) });
  const get = async (key: string) => {
    const headers = { authorization: `Bearer ${key}` };
    const request = new Request('http://localhost/v1/models', { headers });
    const response = await withCaller(address, () => GET(request, { params: Promise.resolve({}) }));
    expect(response.headers.get('x-ratelimit-limit-requests')).toBeNull();
    return response.status;
  };
  expect(await get('blyan_wrong')).toBe(401);
  expect(await get('none')).toBe(200);
});

test.each([
  ['cross-site', 'navigate', undefined, 403],
  ['same-site', 'navigate', undefined, 403],
  ['cross-site', 'cors', 'https://app.example', 200],
  ['same-origin', 'navigate', undefined, 200],
  ['none', 'navigate', undefined, 200],
])('an answer asked for from %s, by %s, with origin %s: %i', async (site, mode, origin, status) => {
  const before = handled;
  const request = new Request('http://localhost/chat', {
    method: 'POST',
    body: '{"tokens":1}',
    headers: { 'sec-fetch-site': site, 'sec-fetch-mode': mode, ...(origin && { origin }) },
  });
  const response = await withCaller(address, () => POST(request, { params: Promise.resolve({}) }));
  expect(response.status).toBe(status);
  expect(handled - before).toBe(status === 200 ? 1 : 0);
  // Nor does it use up what the visitor may ask.
  if (status === 403) expect(response.headers.has('x-ratelimit-limit-requests')).toBe(false);
});

describe('the line', () => {
  test('that is full is 503 with its length, before any work', async () => {
    await waiting(MAX_WAITING);
    const before = handled;
    const { status, code, error, headers } = await post('no JSON');
    expect({ status, code }).toEqual({ status: 503, code: 'queue_full' });
    expect(error.message).toContain(`${MAX_WAITING} questions wait`);
    expect(headers.get('x-queue-length')).toBe(String(MAX_WAITING));
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(handled).toBe(before);
  });

  test('has room for as many as it has room for, also when they come together', async () => {
    await waiting(MAX_WAITING - 1);
    const take = () => ctx.limits.places.take().catch((error) => error.code);
    const taken = await Promise.all([take(), take(), take()]);
    expect(taken.filter((place) => place !== 'queue_full')).toHaveLength(1);
    for (const place of taken) if (place !== 'queue_full') place.free();
    (await ctx.limits.places.take()).free();
  });

  test('takes in all prompts of a request or none, and reads none when it is full', async () => {
    await serve(ctx);
    const model = await readModel();
    let read = 0;
    const { encode } = model.tokenizer;
    model.tokenizer.encode = (text) => {
      read += 1;
      return encode(text);
    };
    const prompts = ['Blyan', 'A block', 'A hash'];
    const asText = (text: string): Question => ({
      ...{ id: null, model: null, prompt: { text }, promptField: 'prompt', stop: [] },
      params: { maxTokens: 2 },
    });
    const [first, ...others] = prompts.map(asText);
    const asking = async (each: number) => {
      const admission = await admit(new Headers(), address, ctx.limits);
      try {
        return await askChoices([first!, ...others], each, { ...withModel(ctx, model), admission });
      } finally {
        admission.taken();
      }
    };
    await waiting(1);
    await expect(asking(1)).rejects.toMatchObject({ status: 503, code: 'queue_full' });
    // Not ever: nobody need try again.
    await expect(asking(2)).rejects.toMatchObject({
      status: 400,
      code: 'out_of_range',
      param: 'n',
    });
    expect(read).toBe(0);
    expect(await ctx.db.request.count()).toBe(1);
    await ctx.db.request.deleteMany();
    const { asked } = await asking(1);
    expect(await ctx.db.request.count()).toBe(3);
    const lengths = prompts.map((text) => encode(text).length);
    expect(asked.map(({ promptTokens }) => promptTokens)).toEqual(lengths);
  });

  test('counts each of several answers, and gives places back', async () => {
    await waiting(1);
    expect(await post({ tokens: 1, answers: 3 })).toMatchObject({ status: 503 });
    expect(await post({ tokens: 1, answers: 2 })).toMatchObject({ status: 200 });
    expect(await post({ tokens: 1, answers: 2 })).toMatchObject({ status: 200 });
  });
});
