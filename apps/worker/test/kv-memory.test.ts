/** Admission by memory, and what a sequence takes over from others, on a real session. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAPACITY_STEP, kvBytesPerPosition } from '../src/engine/kv-cache.ts';
import { prefillChunk, wholeChunks } from '../src/engine/prefill-chunks.ts';
import { kvMemory, type LoadedModel, loadModel, micro } from './support/models.ts';

let model: LoadedModel;
/** Of one step of capacity. */
let step: number;
let chunk: number;
beforeAll(async () => {
  model = await loadModel(micro('qwen3-micro'));
  const { config } = model.session;
  step = CAPACITY_STEP * kvBytesPerPosition(config, config.layers, 'f32');
  chunk = prefillChunk(config, 0);
  // The lengths below are meant for it.
  expect([chunk, whole(300), whole(140)]).toEqual([64, 256, 128]);
});
afterAll(() => model?.[Symbol.asyncDispose]());

/** End of the last whole chunk. */
const whole = (length: number) => wholeChunks(model.session.config, length);
const text = (length: number, seed = 1) =>
  Array.from({ length }, (_, i) => (i * 7 + seed * 31) % 512);

/** Fills the cache of a lease as far as its prefix goes, and further with an answer. */
async function fill(
  lease: { cache: ReturnType<LoadedModel['session']['createCache']> },
  ids: number[],
) {
  const { cache } = lease;
  const rest = ids.slice(cache.length);
  for (let i = 0; i < rest.length; i += chunk) {
    await model.session.prefill(cache, { input: { ids: rest.slice(i, i + chunk) }, rows: [] });
  }
}

describe('admission', () => {
  it('promises what a sequence may grow to, and gives it back when it ends', () => {
    const memory = kvMemory(model.session, 2 * step);
    const first = memory.lease(text(10), 100);
    const second = memory.lease(text(10), CAPACITY_STEP);
    expect(memory.bytes).toBe(2 * step);
    expect(memory.lease(text(10), 1)).toBeNull();
    memory.release(first!);
    memory.release(first!);
    expect(memory.bytes).toBe(step);
    expect(memory.lease(text(10), 1)).not.toBeNull();
    memory.release(second!);
  });

  it('says at once what has no room at all, with both sizes', () => {
    const memory = kvMemory(model.session, step);
    memory.check(CAPACITY_STEP);
    expect(() => memory.check(CAPACITY_STEP + 1)).toThrow(
      expect.objectContaining({ code: 'KV_MEMORY_TOO_SMALL', retry: true }),
    );
    const mebibytes = (step / 2 ** 20).toFixed(1);
    expect(() => memory.check(CAPACITY_STEP + 1)).toThrow(`this worker has ${mebibytes} MiB`);
  });

  it('drops what it keeps for prefixes before it refuses', async () => {
    const memory = kvMemory(model.session, 2 * step);
    for (const seed of [1, 2]) {
      const lease = memory.lease(text(200, seed), 200)!;
      await fill(lease, text(200, seed));
      memory.release(lease);
    }
    expect(memory.bytes).toBe(2 * step);
    const big = memory.lease(text(10, 3), 2 * CAPACITY_STEP)!;
    expect(memory.bytes).toBe(2 * step);
    expect(big.reused).toBe(0);
    memory.release(big);
    expect(memory.bytes).toBe(0);
  });
});

describe('prefixes', () => {
  it('a conversation that goes on takes its whole chunks along', async () => {
    const memory = kvMemory(model.session);
    const first = memory.lease(text(300), 400)!;
    expect(first.reused).toBe(0);
    await fill(first, text(330));
    memory.release(first);
    const second = memory.lease([...text(300), ...text(50, 2)], 400)!;
    expect(second.reused).toBe(whole(300));
    expect(second.cache).toBe(first.cache);
    expect(second.cache.length).toBe(whole(300));
    memory.release(second);
    memory.clear();
    expect(memory.bytes).toBe(0);
  });

  it('another branch copies, also from a sequence that still runs', async () => {
    const memory = kvMemory(model.session);
    const running = memory.lease(text(300), 400)!;
    await fill(running, text(300));
    const branch = [...text(140), ...text(50, 2)];
    const copy = memory.lease(branch, 400)!;
    expect(copy.reused).toBe(whole(140));
    expect(copy.cache).not.toBe(running.cache);
    memory.release(running);
    memory.release(copy);
    const third = memory.lease([...text(200), 5], 400)!;
    expect(third.reused).toBe(whole(200));
    expect(running.cache.length).toBe(whole(300));
  });

  it('a branch that has no room beside what it begins with takes that along', async () => {
    const memory = kvMemory(model.session, 2 * step);
    const first = memory.lease(text(330), 400)!;
    await fill(first, text(330));
    memory.release(first);
    expect(memory.bytes).toBe(2 * step);
    const branch = memory.lease([...text(140), ...text(50, 2)], 200)!;
    expect(branch.reused).toBe(whole(140));
    expect(branch.cache).toBe(first.cache);
    expect(branch.cache.bytes).toBe(step);
    expect(memory.bytes).toBe(step);
  });

  it('never takes over the last token, nor what a decode has written', async () => {
    const memory = kvMemory(model.session);
    const first = memory.lease(text(chunk), 400)!;
    await fill(first, text(2 * chunk));
    memory.release(first);
    const same = memory.lease(text(chunk), 400)!;
    expect(same.reused).toBe(0);
    memory.release(same);
    expect(memory.lease(text(3 * chunk), 400)!.reused).toBe(chunk);
  });

  it('has the bits that a sequence computes itself', async () => {
    const memory = kvMemory(model.session);
    const first = memory.lease(text(300), 400)!;
    await fill(first, text(300));
    memory.release(first);
    const ids = [...text(260), ...text(20, 3)];
    const logits = async (lease: { cache: typeof first.cache }) => {
      await fill(lease, ids.slice(0, -1));
      const run = { input: { ids: ids.slice(-1) }, rows: [0] };
      return (await model.session.prefill(lease.cache, run)).logits!;
    };
    const reusing = memory.lease(ids, 400)!;
    expect(reusing.reused).toBe(whole(260));
    const fresh = kvMemory(model.session).lease(ids, 400)!;
    expect(await logits(reusing)).toEqual(await logits(fresh));
  });
});
