/** What must not change the answer: how a prefix is cut, how the cache grows, who else is served. */
import { join } from 'node:path';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../src/engine/errors.ts';
import { CAPACITY_STEP } from '../src/engine/kv-cache.ts';
import { prefillChunk } from '../src/engine/prefill-chunks.ts';
import { generate } from '../src/engine/runner.ts';
import type { StageSession } from '../src/engine/stage-session.ts';
import {
  GREEDY,
  GUIDE,
  type LoadedModel,
  loadModel,
  maxDifference,
  micro,
  readJson,
} from './support/models.ts';

const SAMPLED = { ...NEUTRAL, temperature: 0.8, topK: 20, topP: 0.95, seed: 20_251_123 };

async function logitsOf(session: StageSession, ids: number[], chunk: number) {
  const cache = session.createCache();
  let logits: Float32Array | null = null;
  while (cache.length < ids.length) {
    const part = ids.slice(cache.length, cache.length + chunk);
    ({ logits } = await session.prefill(cache, { input: { ids: part }, rows: [part.length - 1] }));
  }
  return logits!;
}

describe('blyan-guide', () => {
  let model: LoadedModel;
  let prompt: number[];
  let long: number[];
  beforeAll(async () => {
    const reference = await readJson<{ cases: { input_ids: number[]; greedy_48: number[] }[] }>(
      join(GUIDE, 'parity.json'),
    );
    prompt = reference.cases[1]!.input_ids;
    long = Array.from({ length: 12 }, () => [...prompt, ...reference.cases[1]!.greedy_48]).flat();
    model = await loadModel(GUIDE);
  });
  afterAll(() => model?.[Symbol.asyncDispose]());

  it('reads a prefix in chunks as it reads it at once', async () => {
    const ids = long.slice(0, 300);
    const whole = await logitsOf(model.session, ids, ids.length);
    for (const chunk of [1, 7, 64, 256, 299]) {
      const chunked = await logitsOf(model.session, ids, chunk);
      expect(maxDifference(chunked, whole)).toBeLessThan(1e-3);
    }
  });

  it('gives the same tokens when the cache grows in the middle of the answer', async () => {
    const params = { ...GREEDY, maxTokens: 24 };
    // The answer begins 8 positions before the end of a step, so that it crosses it.
    const ids = long.slice(0, CAPACITY_STEP - 8);
    const crossing = await generate(model.session, ids, params);
    const cache = model.session.createCache();
    cache.reserve(2 * CAPACITY_STEP);
    const roomy: number[] = [];
    let input = ids;
    while (roomy.length < params.maxTokens) {
      const rows = [input.length - 1];
      const { logits } = await model.session.prefill(cache, { input: { ids: input }, rows });
      roomy.push(logits!.indexOf(Math.max(...logits!)));
      input = [roomy.at(-1)!];
    }
    expect(crossing.tokens).toEqual(roomy);
    expect(cache.capacity).toBe(2 * CAPACITY_STEP);
  });

  it.each([GREEDY, SAMPLED])('replays to the same continuation %j', async (sampling) => {
    const params = { ...sampling, maxTokens: 40 };
    const { tokens } = await generate(model.session, prompt, params);
    expect(tokens).toHaveLength(40);
    for (const n of [1, 13, 39]) {
      const emitted = tokens.slice(0, n);
      const replay = await generate(model.session, prompt, params, { emitted });
      expect(replay.tokens).toEqual(tokens);
    }
  });

  it('gives equal bits for an equal run', async () => {
    const a = await logitsOf(model.session, long.slice(0, 300), 256);
    const b = await logitsOf(model.session, long.slice(0, 300), 256);
    expect(maxDifference(a, b)).toBe(0);
  });

  it('refuses positions behind the context', async () => {
    const { context } = model.files.config;
    const cache = model.session.createCache();
    expect(() => cache.reserve(context + 1)).toThrow(EngineError);
    cache.reserve(context);
    expect(cache.capacity).toBe(context);
    cache.free();
    expect(cache.bytes).toBe(0);
  });
});

describe('a model in two stages', () => {
  it('equals the whole', async () => {
    await using whole = await loadModel(micro('qwen3-micro-tied'));
    await using first = await loadModel(micro('qwen3-micro-tied'), {
      spec: ({ config }) => ({ config, layers: [0, 0], embed: true, head: false }),
    });
    await using second = await loadModel(micro('qwen3-micro-tied'), {
      spec: ({ config }) => ({ config, layers: [1, 2], embed: false, head: true }),
    });
    const caches = [whole, first, second].map(({ session }) => session.createCache());
    for (const ids of [[3, 17, 255, 9], [511], [44, 100]]) {
      const rows = [ids.length - 1];
      const expected = await whole.session.prefill(caches[0]!, { input: { ids }, rows });
      const { hidden } = await first.session.prefill(caches[1]!, { input: { ids }, rows: [] });
      const input = { hidden: hidden! };
      const { logits } = await second.session.prefill(caches[2]!, { input, rows });
      expect(maxDifference(logits!, expected.logits!)).toBe(0);
    }
  });

  it('refuses ranges that are none', async () => {
    for (const layers of [
      [1, 0],
      [-1, 2],
      [0, 3],
      [0.5, 1],
    ] as [number, number][]) {
      const load = loadModel(micro('qwen3-micro'), {
        spec: ({ config }) => ({ config, layers, embed: false, head: false }),
      });
      await expect(load).rejects.toMatchObject({ code: 'STAGE_RANGE' });
    }
  });
});

describe.each([
  ['f16', 0.05, 'f16>f32', 'f32'],
  ['q8', 0.25, 'q8 scales f16>f32', 'int8-activations'],
  ['q4', 3, 'q4 scales f16>f32', 'int8-activations'],
] as const)('format %s', (format, tolerance, transform, matmul) => {
  it('answers close to the reference, and the same row in any batch', async () => {
    await using model = await loadModel(micro('qwen3-micro'), { format });
    expect(model.transforms).toContain(transform);
    expect(model.matmul).toBe(matmul);
    const { cases } = await readJson<{ cases: { input_ids: number[]; logits_last: number[] }[] }>(
      join(micro('qwen3-micro'), 'reference.json'),
    );
    const { input_ids: ids, logits_last: expected } = cases[0]!;
    const logits = await logitsOf(model.session, ids, ids.length);
    expect(maxDifference(logits, expected)).toBeLessThan(tolerance);
    // Without a past, one position's logits are the same bits whether or not others follow it.
    const alone = await model.session.prefill(model.session.createCache(), {
      input: { ids: ids.slice(0, 1) },
      rows: [0],
    });
    const together = await model.session.prefill(model.session.createCache(), {
      input: { ids },
      rows: [0],
    });
    expect(maxDifference(alone.logits!, together.logits!)).toBeLessThan(1e-5);
  });
});

describe('prefillChunk', () => {
  const shape = { family: 'qwen3', normEpsilon: 1e-6, tied: true, vocab: 151936 };
  const rope = { type: 'default' as const, theta: 1e6 };
  const big = {
    ...shape,
    rope,
    layers: 36,
    hidden: 4096,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    intermediate: 12288,
    context: 40960,
  };
  it('is small for a big model and for a long past', () => {
    const tiny = { ...big, layers: 12, hidden: 256, heads: 4, headDim: 64, intermediate: 768 };
    expect(prefillChunk(tiny, 0)).toBe(64);
    expect(prefillChunk(big, 0)).toBe(16);
    expect(prefillChunk({ ...tiny, heads: 64 }, 40_000)).toBe(16);
  });
});
