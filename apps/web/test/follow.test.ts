/** Answers that nobody writes, on a real database and a real Redis. */
import { randomBytes } from 'node:crypto';
import { generateKeyPair } from '@blyan/chain/keys';
import { createDb } from '@blyan/db/client';
import { initGenesis } from '@blyan/db/genesis';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { disconnect } from '@blyan/queue/connection';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { readConfig } from '../src/env.ts';
import { ask } from '../src/server/answers/ask.ts';
import { questionOf, streamAnswer } from '../src/server/answers/chat.ts';
import { type ChoiceWriter, streamChoices } from '../src/server/answers/choices.ts';
import { collectAnswer, collectChoices } from '../src/server/answers/collect.ts';
import { followAnswer } from '../src/server/answers/follow.ts';
import { type Context, createContext } from '../src/server/context.ts';

let database: TestDatabase;
let ctx: Context;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  ctx = createContext(
    readConfig({
      DATABASE_URL: database.url,
      REDIS_URL: inject('redisUrl'),
      BLYAN_LOG_LEVEL: 'silent',
    }),
  );
  const { secretKey } = generateKeyPair();
  await initGenesis(ctx.db, { network: 'web-test', secretKey, time: Date.now() });
});
afterAll(async () => {
  await ctx.intake[Symbol.asyncDispose]();
  await ctx.answers[Symbol.asyncDispose]();
  await disconnect(ctx.redis);
  await ctx.db.$disconnect();
  await database[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
/** The machine may be busy. */
const PATIENT = { timeout: 18_000 };
const params = { ...NEUTRAL, maxTokens: 8, temperature: 0, seed: 1 };

/** A question that was taken in and that no coordinator takes up. */
async function asked(timeoutMs: number) {
  const id = randomBytes(18).toString('base64url');
  const deadline = Date.now() + timeoutMs;
  const model = Buffer.alloc(32, 1);
  await ctx.db.request.create({
    data: { id, model, prompt: [1, 2], params, stop: [], deadline: new Date(deadline) },
  });
  const block = { chain: 'A' as const, height: 1, hash: model.toString('hex') };
  return { id, deadline, model: { name: 'm', block }, promptTokens: 2, params };
}
const rowOf = (id: string) => ctx.db.request.findUniqueOrThrow({ where: { id } });

describe.concurrent('without a coordinator', () => {
  test('a whole answer fails a few seconds past its deadline, and so does its row', async () => {
    const question = await asked(200);
    await expect(collectAnswer(question, ctx, never)).rejects.toMatchObject({
      status: 504,
      code: 'deadline_exceeded',
    });
    expect(await rowOf(question.id)).toMatchObject({
      status: 'failed',
      errorCode: 'deadline_exceeded',
    });
  });

  test('a resumed stream ends with one error', async () => {
    const question = await asked(-60_000);
    const text = await streamAnswer(question, '3-0', ctx, never).text();
    expect(text.match(/^event: .*$/gm)).toEqual(['event: start', 'event: error']);
    expect(text).toContain('"deadline_exceeded"');
  });

  test('a row that ended meanwhile stays as it is', async () => {
    const question = await asked(100);
    const data = { status: 'failed', errorCode: 'no_worker', errorMessage: 'gone' } as const;
    await ctx.db.request.update({ where: { id: question.id }, data });
    await expect(collectAnswer(question, ctx, never)).rejects.toMatchObject({ code: 'no_worker' });
    expect(await rowOf(question.id)).toMatchObject({ errorCode: 'no_worker' });
  });
});

test('a database that is away for a moment ends no answer', async () => {
  const db = createDb('postgresql://nobody@127.0.0.1:1/nowhere');
  const warn = vi.fn();
  const away = { ...ctx, db, logger: Object.assign(Object.create(ctx.logger), { warn }) };
  const { id, deadline } = await asked(60_000);
  const seen: unknown[] = [];
  const reading = (async () => {
    for await (const entry of followAnswer({ id, from: '0', deadline }, away, never))
      seen.push('replaced' in entry ? 'replaced' : entry.id);
  })();
  await vi.waitFor(() => expect(warn).toHaveBeenCalled(), PATIENT);
  const end = { type: 'error', code: 'no_worker', message: 'gone' };
  await ctx.redis.xadd(`gen:${id}`, '1-0', 'e', JSON.stringify(end));
  const wakeUp = `1-0 ${JSON.stringify(end)}`;
  await ctx.redis.publish(`gen:${id}`, wakeUp);
  await reading;
  expect(seen).toEqual(['1-0']);
  await db.$disconnect();
});

test.each(['streamed', 'whole'])('what cannot be read goes on for nobody, %s', async (way) => {
  const question = await asked(60_000);
  await ctx.redis.xadd(`gen:${question.id}`, '1-0', 'e', '{}');
  if (way === 'whole') {
    await expect(collectAnswer(question, ctx, never)).rejects.toThrow('cannot be read');
  } else {
    const nothing = { start: () => '', part: () => '', finish: () => '', end: () => '' };
    expect(await streamChoices([question], nothing, ctx, never).text()).toContain('"error"');
  }
  expect((await rowOf(question.id)).cancelled).toBe(true);
});

describe('an entry that was never stored', () => {
  const tokens = (position: number, ...ids: number[]) => ({
    type: 'tokens' as const,
    position,
    tokens: ids,
    text: ids.join(' '),
  });
  const end = { type: 'error' as const, code: 'no_worker', message: 'gone' };

  /** What a reader gets of an answer whose stream has these entries, and whose row ends a moment later. */
  async function read(from: string, entries: [id: string, event: object][]) {
    const { id, deadline } = await asked(60_000);
    for (const [entry, event] of entries)
      await ctx.redis.xadd(`gen:${id}`, entry, 'e', JSON.stringify(event));
    const seen: unknown[] = [];
    const ending = setTimeout(async () => {
      const data = { status: 'completed' as const, text: 'all of it', output: [1, 2, 3, 4] };
      await ctx.db.request.update({ where: { id }, data });
    }, 100);
    for await (const entry of followAnswer({ id, from, deadline }, ctx, never))
      seen.push('replaced' in entry ? entry.replaced.text : entry.id);
    clearTimeout(ending);
    return seen;
  }

  test.each<[string, string, [string, object][], string[]]>([
    [
      'none',
      '0',
      [
        ['1-0', tokens(0, 1, 2)],
        ['3-0', tokens(2, 3)],
        ['4-0', end],
      ],
      ['1-0', '3-0', '4-0'],
    ],
    [
      'tokens',
      '0',
      [
        ['1-0', tokens(0, 1)],
        ['4-0', tokens(3, 4)],
        ['5-0', end],
      ],
      ['1-0', 'all of it'],
    ],
    [
      'the first tokens',
      '0',
      [
        ['3-0', tokens(2, 3)],
        ['4-0', end],
      ],
      ['all of it'],
    ],
    [
      'the last tokens',
      '0',
      [
        ['1-0', tokens(0, 1)],
        ['3-0', end],
      ],
      ['1-0', 'all of it'],
    ],
    [
      'none behind tokens',
      '1-0',
      [
        ['1-0', tokens(0, 1, 2)],
        ['3-0', end],
      ],
      ['3-0'],
    ],
    [
      'tokens behind tokens',
      '1-0',
      [
        ['1-0', tokens(0, 1)],
        ['3-0', end],
      ],
      ['all of it'],
    ],
    [
      'none behind a phase',
      '1-1',
      [
        ['1-0', tokens(0, 1)],
        ['1-1', { type: 'phase', phase: 'waiting' }],
        ['2-0', end],
      ],
      ['2-0'],
    ],
    [
      'the rest, behind the end',
      '2-0',
      [
        ['1-0', tokens(0, 1)],
        ['2-0', end],
      ],
      ['all of it'],
    ],
  ])('%s, read from %s on', async (_name, from, entries, seen) => {
    expect(await read(from, entries)).toEqual(seen);
  });
});

describe.concurrent('several choices', () => {
  const words: ChoiceWriter = {
    start: (index) => `start ${index}\n`,
    part: () => '',
    finish: (index) => `finish ${index}\n`,
    end: () => 'end\n',
  };

  test('end together when the client leaves', async () => {
    const choices = [await asked(60_000), await asked(60_000)];
    const response = streamChoices(choices, words, ctx, never);
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('start 0\n');
    await reader.cancel();
    await vi.waitFor(async () => {
      for (const { id } of choices) expect((await rowOf(id)).cancelled).toBe(true);
    }, PATIENT);
  });

  test.each(['streamed', 'whole'])('end together when one fails, %s', async (way) => {
    const choices = [await asked(60_000), await asked(100), await asked(60_000)];
    if (way === 'streamed') {
      const text = await streamChoices(choices, words, ctx, never).text();
      expect(text).toMatch(/^start 0\nstart 1\nstart 2\ndata: .*"deadline_exceeded"/);
      expect(text).not.toContain('end');
    } else {
      const whole = collectChoices(choices, ctx, never);
      await expect(whole).rejects.toMatchObject({ code: 'deadline_exceeded' });
    }
    await vi.waitFor(async () => {
      for (const i of [0, 2]) expect((await rowOf(choices[i]!.id)).cancelled).toBe(true);
    }, PATIENT);
  });
});

describe('a client that goes away', () => {
  test.each([
    ['ends its answer', false],
    ['leaves an answer whose id it chose for its next try', true],
  ])('%s', async (_name, goesOnAlone) => {
    const question = await asked(60_000);
    const client = new AbortController();
    const waiting = collectAnswer(question, ctx, client.signal, { goesOnAlone });
    setTimeout(() => client.abort(), 100);
    await expect(waiting).rejects.toMatchObject({ status: 499 });
    expect((await rowOf(question.id)).cancelled).toBe(!goesOnAlone);
  });
});

test('a process that stops takes no new question, but knows the old ones', async () => {
  const stopping = { ...ctx.stopping, asked: AbortSignal.abort() };
  const late = { ...ctx, stopping };
  const { id } = await asked(60_000);
  expect(await ask(questionOf({ prompt: 'Hi', id }), late)).toMatchObject({ id });
  await expect(ask(questionOf({ prompt: 'Hi' }), late)).rejects.toMatchObject({
    status: 503,
    code: 'shutting_down',
  });
});
