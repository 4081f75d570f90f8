import type { ClusterStatus } from '@blyan/protocol/cluster';
import { describe, expect, test } from 'vitest';
import { chunkWriter } from '../src/server/answers/openai.ts';
import { resolveParams } from '../src/server/answers/params.ts';
import { availability, servedHashes, describe as words } from '../src/server/cluster.ts';
import { ApiError } from '../src/server/http/errors.ts';
import { chooseModel } from '../src/server/model/choose.ts';
import { nameOfSegments } from '../src/server/model/openai.ts';
import { checkKey } from '../src/server/nodes.ts';

const model = { context: 100, generation: { temperature: 0.6, topP: 0.95, topK: 20 } };
const input = { promptTokens: 90, promptField: 'prompt', defaultMaxTokens: 8 };

describe('parameters', () => {
  test('what is left open comes from the model, then is neutral', () => {
    expect(resolveParams({ seed: 7 }, model, input)).toEqual({
      maxTokens: 8,
      temperature: 0.6,
      topP: 0.95,
      topK: 20,
      minP: 0,
      seed: 7,
    });
    expect(
      resolveParams({ seed: 7, temperature: 0, topK: -1 }, { context: 100, generation: {} }, input),
    ).toMatchObject({ temperature: 0, topP: 1, topK: 0 });
  });

  test('without max_tokens the answer may fill what is left of the context', () => {
    expect(resolveParams({}, model, { ...input, defaultMaxTokens: 1024 }).maxTokens).toBe(10);
  });

  test.each([
    [{ maxTokens: 11 }, input, 'out_of_range', 'max_tokens'],
    [{ maxTokens: 1e9 }, input, 'out_of_range', 'max_tokens'],
    [{ maxTokens: 11, maxTokensField: 'max_new_tokens' }, input, 'out_of_range', 'max_new_tokens'],
    [{}, { ...input, promptTokens: 100 }, 'context_length_exceeded', 'prompt'],
    [{}, { ...input, promptTokens: 5000 }, 'context_length_exceeded', 'prompt'],
  ])('%j is refused', (asked, given, code, param) => {
    expect(() => resolveParams(asked, model, given)).toThrow(
      expect.objectContaining({ status: 400, code, param }),
    );
  });

  test('seeds differ when nobody chose one', () => {
    const seeds = new Set(Array.from({ length: 20 }, () => resolveParams({}, model, input).seed));
    expect(seeds.size).toBe(20);
  });
});

describe('chunks of OpenAI clients', () => {
  const parse = (text: string) =>
    text
      .split('\n\n')
      .filter(Boolean)
      .map((line) => line.replace(/^data: /, ''))
      .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
  const options = { id: 'chatcmpl-x', created: 1, model: 'm "quoted"' };
  const shared = { ...options, object: 'chat.completion.chunk' };

  test('role, text, end', () => {
    const write = chunkWriter({ ...options, includeUsage: false });
    const usage = { promptTokens: 3, completionTokens: 2 };
    expect(parse(write.role() + write.text('Hi "you"\n') + write.finish('stop', usage))).toEqual([
      { ...shared, choices: [choice({ role: 'assistant', content: '' })] },
      { ...shared, choices: [choice({ content: 'Hi "you"\n' })] },
      { ...shared, choices: [choice({}, 'stop')] },
      '[DONE]',
    ]);
  });

  test('with usage: null on all but a last chunk without choices', () => {
    const write = chunkWriter({ ...options, includeUsage: true });
    const usage = { promptTokens: 3, completionTokens: 2 };
    expect(parse(write.thinking('hm') + write.finish('length', usage))).toEqual([
      { ...shared, choices: [choice({ reasoning_content: 'hm' })], usage: null },
      { ...shared, choices: [choice({}, 'length')], usage: null },
      {
        ...shared,
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      },
      '[DONE]',
    ]);
  });

  const choice = (delta: object, reason: string | null = null) => ({
    index: 0,
    delta,
    logprobs: null,
    finish_reason: reason,
  });
});

describe('availability', () => {
  const HASH = 'a'.repeat(64);
  type Status = ClusterStatus['nodes'][number]['status'];
  const cluster = (...statuses: (Partial<Status> & { alive?: boolean })[]): ClusterStatus => ({
    at: Date.now(),
    waiting: 0,
    running: 0,
    nodes: statuses.map(({ alive = true, ...status }, i) => ({
      id: `node-${i}`,
      alive,
      seen: Date.now(),
      running: 0,
      status: { type: 'status', boot: 'b', version: '1', state: 'ready', slots: 1, ...status },
    })),
  });

  test.each([
    ['no coordinator', null, { state: 'unavailable', code: 'coordinator_unavailable' }],
    ['nobody', cluster(), { state: 'unavailable', code: 'no_worker' }],
    ['a dead one', cluster({ alive: false, model: HASH }), { code: 'no_worker' }],
    ['a ready one', cluster({ model: HASH }), { state: 'ready', nodes: 1 }],
    ['one of another model', cluster({ model: 'b'.repeat(64) }), { code: 'model_not_served' }],
    [
      'a loading one',
      cluster({
        state: 'loading',
        progress: { phase: 'verify', done: 1, total: 3, unit: 'bytes' },
      }),
      { state: 'loading', progress: 'verifying weights, 33%' },
    ],
    [
      'a failed one beside a ready one',
      cluster({ state: 'failed' }, { model: HASH }),
      { state: 'ready' },
    ],
  ])('%s', (_name, status, expected) => {
    expect(availability(status, HASH)).toMatchObject(expected);
  });

  describe('the model that a question goes to', () => {
    const listed = (name: string, hash: string, retired = false) => ({ name, hash, retired });
    const [NEW, OLD, GONE] = ['c', 'b', 'd'].map((digit) => digit.repeat(64)) as [
      string,
      string,
      string,
    ];
    const models = [listed('gone', GONE, true), listed('new', NEW), listed('old', OLD)];
    const chosen = (name: string | null, status: ClusterStatus | null) =>
      chooseModel(models, name, servedHashes(status))?.name;

    test.each([
      ['one that is served, though a newer one was imported', cluster({ model: OLD }), 'old'],
      ['the newer one as soon as a node serves it', cluster({ model: OLD }, { model: NEW }), 'new'],
      [
        'not one that is still loading',
        cluster({ model: OLD }, { model: NEW, state: 'loading' }),
        'old',
      ],
      ['not one whose node is dead', cluster({ model: OLD, alive: false }), 'new'],
      ['not a retired one that a node still has', cluster({ model: GONE }), 'new'],
      ['the newest while nobody is ready', cluster({ model: OLD, state: 'failed' }), 'new'],
      ['the newest without a coordinator', null, 'new'],
    ])('%s', (_name, status, expected) => {
      expect(chosen(null, status)).toBe(expected);
    });

    test('a named one stays that one, and says that it is not served', () => {
      const status = cluster({ model: OLD });
      expect(chosen('new', status)).toBe('new');
      expect(availability(status, NEW)).toMatchObject({ code: 'model_not_served' });
      expect(chosen('gone', status)).toBeUndefined();
      expect(chosen('other', status)).toBeUndefined();
    });

    test('of several of one name, the one that is served', () => {
      const versions = [listed('m', NEW), listed('m', OLD)];
      expect(chooseModel(versions, 'm', new Set([OLD]))?.hash).toBe(OLD);
      expect(chooseModel(versions, 'm', new Set([OLD, NEW]))?.hash).toBe(NEW);
    });
  });

  test('only failed ones: the reason in their own words', () => {
    const failure = { code: 'LEAF_MISMATCH', message: 'tensor q_proj, chunk 3 is wrong' };
    const state = availability(cluster({ state: 'failed', failure }), HASH);
    expect(state).toMatchObject({ state: 'unavailable', code: 'model_unavailable' });
    if (state.state === 'unavailable') expect(words(state)).toContain('q_proj, chunk 3');
  });
});

describe('the key of nodes', () => {
  const KEY = 'correct horse battery staple';
  const status = (headers: Record<string, string>, expected: string | null) => {
    try {
      checkKey(new Headers(headers), expected);
      return 200;
    } catch (error) {
      return error instanceof ApiError ? error.status : 500;
    }
  };

  test.each([
    [{ authorization: 'Bearer secret-key' }, 'secret-key', 200],
    [{ 'x-api-key': 'secret-key' }, 'secret-key', 200],
    [{ authorization: 'Bearer other' }, 'secret-key', 401],
    [{ 'x-api-key': 'secret-key2' }, 'secret-key', 401],
    [{}, KEY, 401],
    [{ 'x-api-key': 'secret-key' }, null, 503],
  ])('%j', (headers, expected, result) => {
    expect(status(headers as Record<string, string>, expected)).toBe(result);
  });
});

test.each([
  [['org', 'name'], 'org/name'],
  [['a%20b'], 'a b'],
  [['%'], null],
  [['100%25', '%E0%A4'], null],
])('the name that an address spells: %j', (segments, name) => {
  expect(nameOfSegments(segments)).toBe(name);
});
