import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createTokenizer } from '@blyan/model/tokenizer';
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { describe, expect, test } from 'vitest';
import { sumUsage } from '../src/server/answers/choices.ts';
import { completionWriter } from '../src/server/answers/completions.ts';
import { chatLogprobs, ShownTokens } from '../src/server/answers/logprobs.ts';
import { chunkWriter } from '../src/server/answers/openai.ts';
import { choiceSeed, resolveParams } from '../src/server/answers/params.ts';
import { availability, servedHashes, describe as words } from '../src/server/cluster.ts';
import { type ListedModel, ModelCatalog } from '../src/server/model/catalog.ts';
import { chooseModel } from '../src/server/model/choose.ts';
import { nameOfSegments } from '../src/server/model/openai.ts';

const model = { context: 100, vocab: 512, generation: { temperature: 0.6, topP: 0.95, topK: 20 } };
const input = { promptTokens: 90, promptField: 'prompt', defaultMaxTokens: 8 };

describe('parameters', () => {
  test('what is left open comes from the model, then is neutral', () => {
    expect(resolveParams({ seed: 7 }, model, input)).toEqual({
      maxTokens: 8,
      temperature: 0.6,
      topP: 0.95,
      topK: 20,
      minP: 0,
      repetitionPenalty: 1,
      presencePenalty: 0,
      frequencyPenalty: 0,
      logitBias: [],
      stopTokens: [],
      logprobs: null,
      seed: 7,
    });
    const bare = { ...model, generation: {} };
    expect(resolveParams({ seed: 7, temperature: 0, topK: -1 }, bare, input)).toMatchObject({
      temperature: 0,
      topP: 1,
      topK: 0,
    });
    const repeating = (repetitionPenalty: number) =>
      resolveParams({}, { ...model, generation: { repetitionPenalty } }, input).repetitionPenalty;
    expect([0, 1.05, 7].map(repeating)).toEqual([1, 1.05, 2]);
  });

  test('token ids are told apart, in order, and all of the vocabulary', () => {
    const asked = { logitBias: { 511: -100, 5: 2.5 }, stopTokens: [9, 3, 9] };
    expect(resolveParams(asked, model, input)).toMatchObject({
      logitBias: [
        [5, 2.5],
        [511, -100],
      ],
      stopTokens: [9, 3],
    });
  });

  test('seeds of several choices go round at the largest', () => {
    const max = Number.MAX_SAFE_INTEGER;
    expect([0, 1, 7].map((i) => choiceSeed(5, i))).toEqual([5, 6, 12]);
    expect([0, 1, 2].map((i) => choiceSeed(max - 1, i))).toEqual([max - 1, max, 0]);
    expect([0, 1, 2].map((i) => choiceSeed(max, i))).toEqual([max, 0, 1]);
  });

  test('without max_tokens the answer may fill what is left of the context', () => {
    expect(resolveParams({}, model, { ...input, defaultMaxTokens: 1024 }).maxTokens).toBe(10);
  });

  test.each([
    [{ maxTokens: 1e9 }, input, 'out_of_range', 'max_tokens'],
    [{ maxTokens: 100, maxTokensField: 'max_new_tokens' }, input, 'out_of_range', 'max_new_tokens'],
    [{ maxTokens: 11 }, input, 'context_length_exceeded', 'max_tokens'],
    [{ logitBias: { 512: 1 } }, input, 'out_of_range', 'logit_bias'],
    [{ stopTokens: [1, 512] }, input, 'out_of_range', 'stop_token_ids'],
    [{}, { ...input, promptTokens: 100 }, 'context_length_exceeded', 'prompt'],
    [{}, { ...input, promptTokens: 5000 }, 'context_length_exceeded', 'prompt'],
  ])('%j is refused', (asked, given, code, param) => {
    expect(() => resolveParams(asked, model, given)).toThrow(
      expect.objectContaining({ status: 400, code, param }),
    );
  });

  test.each([
    [{}, 5000, /maximum context length is 100 tokens\. .*5000/],
    [{ maxTokens: 30 }, 80, /maximum context length is 100 tokens\. .*110 .*80 .*30 .*20/],
  ])('what exceeds the context is told in OpenAI’s words: %j', (asked, promptTokens, words) => {
    expect(() => resolveParams(asked, model, { ...input, promptTokens })).toThrow(words);
  });

  test('seeds differ when nobody chose one', () => {
    const seeds = new Set(Array.from({ length: 20 }, () => resolveParams({}, model, input).seed));
    expect(seeds.size).toBe(20);
  });
});

const MODEL = path.resolve(import.meta.dirname, '../../../models/blyan-guide');
const readJson = async (name: string) =>
  JSON.parse(await readFile(path.join(MODEL, name), 'utf8')) as Record<string, unknown>;
const tokenizer = createTokenizer({
  tokenizer: await readJson('tokenizer.json'),
  tokenizerConfig: await readJson('tokenizer_config.json'),
});

describe('chunks of OpenAI clients', () => {
  const parse = (text: string) =>
    text
      .split('\n\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line.replace(/^data: /, '')));
  const options = { id: 'chatcmpl-x', created: 1, model: 'm "quoted"' };
  const shared = { ...options, object: 'chat.completion.chunk' };
  const usage = { promptTokens: 3, completionTokens: 2 };
  const part = { text: '', thinking: '', shown: [] };

  test('role, text, end, each with the index of its choice', () => {
    const write = chunkWriter({ ...options, includeUsage: false, tokenizer });
    const text = write.part(1, { ...part, text: 'Hi "you"\n' });
    expect(parse(write.start(0) + text + write.finish(0, 'stop') + write.end(usage))).toEqual([
      { ...shared, choices: [choice({ role: 'assistant', content: '' })] },
      { ...shared, choices: [{ ...choice({ content: 'Hi "you"\n' }), index: 1 }] },
      { ...shared, choices: [choice({}, 'stop')] },
    ]);
  });

  test('with usage: null on all but a last chunk without choices', () => {
    const write = chunkWriter({ ...options, includeUsage: true, tokenizer });
    const thought = write.part(0, { ...part, thinking: 'hm' });
    expect(parse(thought + write.finish(0, 'length') + write.end(usage))).toEqual([
      { ...shared, choices: [choice({ reasoning_content: 'hm' })], usage: null },
      { ...shared, choices: [choice({}, 'length')], usage: null },
      {
        ...shared,
        choices: [],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      },
    ]);
  });

  test('older completions: text, and log-probabilities at their places', () => {
    const head = { id: 'cmpl-x', object: 'text_completion', created: 1, model: 'm' } as const;
    const write = completionWriter(head, { includeUsage: true, tokenizer });
    const [a, b, c] = tokenizer.encode('Hi you');
    const shown = [a, b].map((id) => ({
      id: id!,
      logprob: -0.5,
      top: [[c!, -0.1]] as [number, number][],
    }));
    const first = write.part(0, { ...part, text: 'x', shown });
    const second = write.part(0, { ...part, text: 'y', shown: shown.slice(1) });
    expect(write.start(0)).toBe('');
    const chunks = parse(first + second + write.finish(0, 'stop') + write.end(usage));
    const words = [a, b].map((id) => tokenizer.decode([id!]));
    const top = { [tokenizer.decode([c!])]: -0.1 };
    expect(chunks[0]).toEqual({
      ...head,
      usage: null,
      choices: [
        {
          index: 0,
          text: 'x',
          finish_reason: null,
          logprobs: {
            tokens: words,
            token_logprobs: [-0.5, -0.5],
            top_logprobs: [top, top],
            text_offset: [0, words[0]!.length],
          },
        },
      ],
    });
    expect(chunks[1].choices[0].logprobs.text_offset).toEqual([words.join('').length]);
    expect(chunks[2].choices[0]).toEqual({
      index: 0,
      text: '',
      logprobs: null,
      finish_reason: 'stop',
    });
    expect(chunks[3].choices).toEqual([]);
  });

  const choice = (delta: object, reason: string | null = null) => ({
    index: 0,
    delta,
    logprobs: null,
    finish_reason: reason,
  });
});

describe('log-probabilities', () => {
  test('of a token that is a part of a character: its bytes', () => {
    const bytes = [0xf0, 0x9f];
    const ids = bytes.map((byte) => {
      for (let id = 0; id < 600; id++) {
        const own = tokenizer.bytes(id);
        if (own?.length === 1 && own[0] === byte) return id;
      }
      return expect.fail('every byte is a token');
    });
    const { content } = chatLogprobs(
      ids.map((id) => ({ id, logprob: -1, top: [[ids[0]!, -1]] })),
      tokenizer,
    );
    expect(content).toEqual(
      bytes.map((byte) => ({
        token: `\\x${byte.toString(16)}`,
        bytes: [byte],
        logprob: -1,
        top_logprobs: [{ token: '\\xf0', bytes: [0xf0], logprob: -1 }],
      })),
    );
  });

  test('wait until their text is out, and those of no text never come', () => {
    const shown = new ShownTokens();
    const logprob = (value: number) => ({ logprob: value, top: [] });
    const tokens = { type: 'tokens', text: '' } as const;
    expect(
      shown.take({
        ...tokens,
        position: 0,
        tokens: [7, 8],
        logprobs: [-1, -2].map(logprob),
        shown: [0],
      }),
    ).toEqual([{ id: 7, logprob: -1, top: [] }]);
    expect(
      shown.take({
        ...tokens,
        position: 2,
        tokens: [9, 5],
        logprobs: [-3, -4].map(logprob),
        shown: [1, 3],
      }),
    ).toEqual([
      { id: 8, logprob: -2, top: [] },
      { id: 5, logprob: -4, top: [] },
    ]);
    expect(shown.take({ ...tokens, position: 4, tokens: [1] })).toEqual([]);
  });
});

test('usage counts a prompt once and all answers', () => {
  const usages = [3, 4, 5].map((completionTokens) => ({ promptTokens: 10, completionTokens }));
  expect(sumUsage(usages)).toEqual({ promptTokens: 10, completionTokens: 12 });
  const ofTwo = [10, 10, 20, 20].map((promptTokens) => ({ promptTokens, completionTokens: 1 }));
  expect(sumUsage(ofTwo, 2)).toEqual({ promptTokens: 30, completionTokens: 4 });
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
      serving: alive && (status.state ?? 'ready') === 'ready',
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
      { state: 'loading', progress: { phase: 'verify', percent: 33 } },
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

test.each([
  [['org', 'name'], 'org/name'],
  [['a%20b'], 'a b'],
  [['%'], null],
  [['100%25', '%E0%A4'], null],
])('the name that an address spells: %j', (segments, name) => {
  expect(nameOfSegments(segments)).toBe(name);
});

test('of the models that were read those used last are kept', () => {
  const read: number[] = [];
  let reading = 0;
  const never = new Promise<never>(() => undefined);
  const store = () => {
    read.push(reading);
    return never;
  };
  const catalog = new ModelCatalog({ modelName: null }, { db: {} as never, store });
  for (reading of [1, 2, 1, 3, 1, 2]) void catalog.load({ hash: String(reading) } as ListedModel);
  expect(read).toEqual([1, 2, 3, 2]);
});
