/** The graph against float32 references made with the checkpoint library (transformers). */
import { join } from 'node:path';
import { createTokenizer } from '@blyan/model/tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../src/engine/runner.ts';
import {
  GREEDY,
  GUIDE,
  type LoadedModel,
  loadModel,
  maxDifference,
  micro,
  readJson,
} from './support/models.ts';

interface MicroReference {
  cases: {
    input_ids: number[];
    logits_last: number[];
    hidden_after_layer_last_token: number[][];
    greedy_24: number[];
  }[];
}

const CHECKPOINTS = [
  'qwen3-micro',
  'qwen3-micro-tied',
  'qwen2-micro',
  'llama-micro',
  'llama3-rope-micro',
  'mistral-micro',
  'llama-linear-micro',
  'llama-yarn-micro',
  'qwen2-yarn-micro',
  'qwen2-untied-micro',
];

describe.each(CHECKPOINTS)('%s', (name) => {
  let model: LoadedModel;
  let reference: MicroReference;
  beforeAll(async () => {
    reference = await readJson(join(micro(name), 'reference.json'));
    const fetch = ['hidden.0', 'hidden.1', 'hidden.2', 'final.normed'];
    model = await loadModel(micro(name), { hidden: true, fetch });
  });
  afterAll(() => model?.[Symbol.asyncDispose]());

  it('has the hidden states after every layer, and the logits', async () => {
    for (const { input_ids: ids, ...expected } of reference.cases) {
      const run = { input: { ids }, rows: [ids.length - 1] };
      const out = await model.session.prefill(model.session.createCache(), run);
      const { hidden } = model.files.config;
      const states = Object.values(out.extra).map((values) => values.slice(-hidden));
      const [, ...layers] = expected.hidden_after_layer_last_token;
      // The reference's last entry is behind the final norm, so the last layer's own has none.
      const compared = [...layers.slice(0, -1).map((_, i) => states[i]!), states.at(-1)!];
      compared.forEach((state, i) => {
        expect(maxDifference(state, layers[i]!)).toBeLessThan(1e-3);
      });
      expect(maxDifference(out.logits!, expected.logits_last)).toBeLessThan(1e-3);
    }
  });

  it('continues greedily like the reference', async () => {
    for (const { input_ids: prompt, greedy_24: expected } of reference.cases) {
      const { tokens } = await generate(model.session, prompt, { ...GREEDY, maxTokens: 24 });
      expect(tokens).toEqual(expected);
    }
  });
});

describe('qwen2-micro in q8', () => {
  it('adds biases to quantized products', async () => {
    await using model = await loadModel(micro('qwen2-micro'), { format: 'q8' });
    const { cases } = await readJson<MicroReference>(join(micro('qwen2-micro'), 'reference.json'));
    for (const { input_ids: ids, logits_last: expected } of cases) {
      const run = { input: { ids }, rows: [ids.length - 1] };
      const { logits } = await model.session.prefill(model.session.createCache(), run);
      // Measured: 0.9 of logits up to 22, and 18 without the biases.
      expect(maxDifference(logits!, expected)).toBeLessThan(2);
    }
  });
});

interface GuideReference {
  cases: {
    prompt: string;
    input_ids: number[];
    last_logits_sample: Record<string, number>;
    top8_per_position: { ids: number[]; logits: number[] }[];
    greedy_48: number[];
  }[];
}

describe('blyan-guide from its bf16 weights', () => {
  let model: LoadedModel;
  let reference: GuideReference;
  beforeAll(async () => {
    reference = await readJson(join(GUIDE, 'parity.json'));
    model = await loadModel(GUIDE);
  });
  afterAll(() => model?.[Symbol.asyncDispose]());

  it('computes in f32 from exactly widened weights', () => {
    expect(model.transforms).toEqual(['bf16>f32']);
  });

  it('has the prompt ids', () => {
    const tokenizer = createTokenizer(model.files);
    for (const { prompt, input_ids: ids } of reference.cases) {
      expect(tokenizer.encode(prompt)).toEqual(ids);
    }
  });

  it('has the logits at every position', async () => {
    for (const { input_ids: ids, ...expected } of reference.cases) {
      const rows = ids.map((_, i) => i);
      const cache = model.session.createCache();
      const { logits } = await model.session.prefill(cache, { input: { ids }, rows });
      const { vocab } = model.files.config;
      expected.top8_per_position.forEach((top, position) => {
        const row = logits!.subarray(position * vocab, (position + 1) * vocab);
        const found = top.ids.map((id) => row[id]!);
        expect(maxDifference(found, top.logits)).toBeLessThan(1e-3);
        const best = [...row.keys()].sort((a, b) => row[b]! - row[a]!).slice(0, 8);
        expect(best).toEqual(top.ids);
      });
      const last = logits!.subarray(-vocab);
      for (const [id, logit] of Object.entries(expected.last_logits_sample)) {
        expect(Math.abs(last[Number(id)]! - logit)).toBeLessThan(1e-3);
      }
    }
  });

  it('gives 48 of 48 greedy tokens on every prompt', async () => {
    for (const { input_ids: prompt, greedy_48: expected } of reference.cases) {
      const { tokens } = await generate(model.session, prompt, { ...GREEDY, maxTokens: 48 });
      expect(tokens).toEqual(expected);
    }
  });
});
