/** On the CPU, what else a run serves never changes an answer: not one bit of its logits. */
import { join } from 'node:path';
import type { StoredFormat } from '@blyan/chain/types';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KvCache } from '../src/engine/kv-cache.ts';
import { GUIDE, type LoadedModel, loadModel, maxDifference, micro } from './support/models.ts';

const SLOTS = 4;
const CASES: [name: string, checkpoint: string, format: StoredFormat | undefined][] = [
  ['f32', micro('llama-micro'), undefined],
  ['bf16', GUIDE, undefined],
  ['q8', GUIDE, 'q8'],
  ['q4', GUIDE, 'q4'],
];

describe.each(CASES)('%s', (_, checkpoint, format) => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(checkpoint, { slots: SLOTS, threads: 2, ...(format && { format }) });
  });
  afterAll(() => model?.[Symbol.asyncDispose]());

  const read = async (ids: number[]): Promise<KvCache> => {
    const cache = model.session.createCache();
    await model.session.prefill(cache, { input: { ids }, rows: [] });
    return cache;
  };

  it('a decode gives each sequence the bits that it gets alone', async () => {
    const prompt = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(prompt, fc.integer({ min: 0, max: 400 })), {
          minLength: 2,
          maxLength: SLOTS,
        }),
        async (sequences) => {
          const { vocab } = model.session.config;
          const ids = sequences.map(([, id]) => id);
          const caches = await Promise.all(sequences.map(([ids]) => read(ids)));
          const together = await model.session.decode(caches, { ids });
          for (const [i, [prompt, id]] of sequences.entries()) {
            const alone = await read(prompt);
            const { logits } = await model.session.decode([alone], { ids: [id] });
            const row = together.logits!.subarray(i * vocab, (i + 1) * vocab);
            expect(maxDifference(row, logits!)).toBe(0);
            const keys = (cache: KvCache) => cache.view(0, 0, cache.length).keys.data;
            expect(keys(alone)).toEqual(keys(caches[i]!));
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  it('a check gives the bits of as many decodes', async () => {
    const { vocab } = model.session.config;
    const tokens = (length: number) => Array.from({ length }, (_, i) => (i * 37 + 11) % 400);
    for (const past of [1, 5, 31, 32, 40, 95, 100]) {
      const [one, several] = [await read(tokens(past)), await read(tokens(past))];
      const count = Math.min(model.session.room(several), 5);
      if (count < 2) continue;
      const ids = tokens(past + count).slice(-count);
      const checked = await model.session.check(several, { ids });
      for (const [i, id] of ids.entries()) {
        const { logits } = await model.session.decode([one], { ids: [id] });
        const row = checked.logits!.subarray(i * vocab, (i + 1) * vocab);
        expect(maxDifference(row, logits!)).toBe(0);
      }
      const last = model.session.config.layers - 1;
      const { keys, values } = one.view(last, 0, one.length);
      const other = several.view(last, 0, several.length);
      expect(other.keys.data).toEqual(keys.data);
      expect(other.values.data).toEqual(values.data);
    }
  });

  it('a check ends with the block that it begins in', async () => {
    const cache = await read([1, 2, 3]);
    expect(model.session.room(cache)).toBe(29);
    await expect(model.session.check(cache, { ids: [1] })).rejects.toThrow(RangeError);
    const ids = new Array<number>(30).fill(1);
    await expect(model.session.check(cache, { ids })).rejects.toThrow(RangeError);
  });

  it('decoding comes close to reading the same tokens at once', async () => {
    const ids = [3, 17, 255, 9, 44, 100, 7];
    const cache = await read(ids.slice(0, 3));
    let last: Float32Array | null = null;
    for (const id of ids.slice(3))
      ({ logits: last } = await model.session.decode([cache], { ids: [id] }));
    const whole = await model.session.prefill(model.session.createCache(), {
      input: { ids },
      rows: [ids.length - 1],
    });
    // Activations are rounded to 8 bits for q8 and q4, where a last bit can become a whole step.
    expect(maxDifference(last!, whole.logits!)).toBeLessThan(format ? 0.5 : 1e-3);
  });

  it('refuses more sequences than the graph has slots', async () => {
    const caches = await Promise.all(Array.from({ length: SLOTS + 1 }, () => read([1])));
    const ids = caches.map(() => 1);
    await expect(model.session.decode(caches, { ids })).rejects.toThrow(RangeError);
    await expect(model.session.decode([], { ids: [] })).rejects.toThrow(RangeError);
  });
});

describe('a cache in f16', () => {
  it('takes half the memory and moves the logits a little', async () => {
    const { cases } = (await import(join(GUIDE, 'parity.json'), { with: { type: 'json' } }))
      .default;
    await using wide = await loadModel(GUIDE);
    await using half = await loadModel(GUIDE, { kv: 'f16' });
    const ids: number[] = cases[1].input_ids;
    const logits = async ({ session }: LoadedModel) => {
      const cache = session.createCache();
      await session.prefill(cache, { input: { ids: ids.slice(0, -1) }, rows: [] });
      return { ...(await session.decode([cache], { ids: ids.slice(-1) })), bytes: cache.bytes };
    };
    const [exact, rounded] = [await logits(wide), await logits(half)];
    expect(rounded.bytes * 2).toBe(exact.bytes);
    const difference = maxDifference(exact.logits!, rounded.logits!);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.05);
  });
});
