/** The embedded model over several stages gives the tokens, and the bits, of one worker. */
import { join } from 'node:path';
import type { NodeJob } from '@blyan/protocol/node';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineLoop } from '../../src/engine/loop.ts';
import type { JobEvent } from '../../src/engine/messages.ts';
import type { ModelSession } from '../../src/engine/model-session.ts';
import { prefillChunk } from '../../src/engine/prefill-chunks.ts';
import {
  GREEDY,
  GUIDE,
  kvMemory,
  type LoadedModel,
  loadModel,
  readJson,
} from '../support/models.ts';
import { cut, startPipeline, type TestPipeline } from '../support/pipeline.ts';

const SLOTS = 2;
const COUNTS = [2, 3, 12];
/** The last frames are still on their way when the logits are there. */
const WAIT = { timeout: 5000, interval: 10 };
let whole: LoadedModel;
const pipelines = new Map<number, TestPipeline>();
let prompts: number[][];

beforeAll(async () => {
  const { cases } = await readJson<{ cases: { input_ids: number[]; greedy_48: number[] }[] }>(
    join(GUIDE, 'parity.json'),
  );
  prompts = cases.map(({ input_ids, greedy_48 }) => [...input_ids, ...greedy_48]);
  whole = await loadModel(GUIDE, { slots: SLOTS });
  for (const count of COUNTS) {
    const ranges = cut(whole.files.config.layers, count);
    pipelines.set(count, await startPipeline(whole, ranges, { slots: SLOTS }));
  }
});
afterAll(async () => {
  for (const pipeline of pipelines.values()) await pipeline[Symbol.asyncDispose]();
  await whole?.[Symbol.asyncDispose]();
});

/** Logits of a prefill in chunks, of some decodes alone and together with another, and of a check. */
async function logitsOf(session: ModelSession): Promise<Float32Array[]> {
  const out: Float32Array[] = [];
  const caches = [];
  for (const ids of [[...prompts[0]!, ...prompts[1]!].slice(0, 150), prompts[2]!.slice(0, 20)]) {
    const cache = session.createCache();
    while (cache.length < ids.length) {
      const part = ids.slice(
        cache.length,
        cache.length + prefillChunk(session.config, cache.length),
      );
      const last = cache.length + part.length === ids.length;
      const rows = last ? [part.length - 1] : [];
      const { logits } = await session.prefill(cache, { input: { ids: part }, rows });
      if (logits) out.push(logits.slice());
    }
    caches.push(cache);
  }
  const [a, b] = caches as [(typeof caches)[0], (typeof caches)[0]];
  for (const id of [17, 1200, 9])
    out.push((await session.decode([a], { ids: [id] })).logits!.slice());
  out.push((await session.decode([a, b], { ids: [5, 6] })).logits!.slice());
  const length = b.length;
  out.push((await session.check(b, { ids: [700, 701, 702] })).logits!.slice());
  // Of a guess, what is not taken is forgotten.
  b.truncate(length + 1);
  out.push((await session.decode([b, a], { ids: [800, 30] })).logits!.slice());
  for (const cache of caches) cache.free();
  return out;
}

const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

describe.each(COUNTS)('%i stages', (count) => {
  it('has the same bits at each step', async () => {
    const expected = await logitsOf(whole.session);
    const { session, stages, servers } = pipelines.get(count)!;
    const actual = await logitsOf(session);
    expect(actual.length).toBe(expected.length);
    actual.forEach((logits, i) => {
      expect(bytes(logits).equals(bytes(expected[i]!)), `step ${i}`).toBe(true);
    });
    expect(stages.flying).toBe(0);
    // A freed cache is freed in every stage.
    const nothing = servers.map(() => ({ sequences: 0, kvBytes: 0 }));
    await vi.waitFor(() => expect(servers.map(({ load }) => load)).toEqual(nothing), WAIT);
  });
});

/** Largest difference of two lists of logits, and whether the same token is first. */
function differenceOf(a: Float32Array, b: Float32Array): { most: number; first: boolean } {
  const most = a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0);
  return { most, first: a.indexOf(Math.max(...a)) === b.indexOf(Math.max(...b)) };
}

describe('f16 frames over 3 stages', () => {
  it('have bits of their own, each time the same, near those of one worker', async () => {
    const expected = await logitsOf(whole.session);
    await using half = await startPipeline(whole, cut(whole.files.config.layers, 3), {
      slots: SLOTS,
      frames: 'f16',
    });
    const actual = await logitsOf(half.session);
    const again = await logitsOf(half.session);
    expect(actual.length).toBe(expected.length);
    // Rows of a check come in one array.
    const { vocab } = whole.files.config;
    const rows = (all: Float32Array[]) =>
      all.flatMap((logits) =>
        Array.from({ length: logits.length / vocab }, (_, i) =>
          logits.subarray(i * vocab, (i + 1) * vocab),
        ),
      );
    const differences = rows(actual).map((row, i) => differenceOf(row, rows(expected)[i]!));
    const most = differences.map((difference) => difference.most);
    expect(Math.max(...most)).toBeLessThan(0.02);
    expect(Math.min(...most)).toBeGreaterThan(0);
    expect(differences.every(({ first }) => first)).toBe(true);
    actual.forEach((logits, i) => {
      expect(bytes(logits).equals(bytes(again[i]!)), `step ${i}`).toBe(true);
    });
  });
});

const SAMPLED = { ...NEUTRAL, temperature: 0.8, topK: 20, topP: 0.95, seed: 7 };

/** Runs jobs at once; the tokens of each. */
async function serve(session: ModelSession, jobs: NodeJob[], lanes: number): Promise<number[][]> {
  const events: JobEvent[] = [];
  const { config, numerics } = session;
  const memory = kvMemory({
    config,
    numerics,
    spec: whole.session.spec,
    createCache: () => session.createCache(),
  });
  const loop = new EngineLoop(
    { model: MODEL, slots: 16, lanes },
    { session, memory, emit: (event) => void events.push(event) },
  );
  for (const job of jobs) loop.submit(job);
  await loop.drain();
  memory.clear();
  return jobs.map(({ requestId }) =>
    events.flatMap((e) => (e.type === 'tokens' && e.requestId === requestId ? e.tokens : [])),
  );
}

const MODEL = 'ab'.repeat(32);
let serial = 0;
const jobOf = (prompt: number[], params: NodeJob['params']): NodeJob => ({
  requestId: `request-000000000000-${serial++}`,
  attempt: 1,
  model: MODEL,
  prompt,
  emitted: [],
  params,
  stopTokens: [],
  remainingMs: 60_000,
});

describe('several sequences at once', () => {
  it('keep every stage busy: as many runs are in flight as there are stages', async () => {
    const jobs = () =>
      Array.from({ length: 6 }, (_, i) =>
        jobOf([...prompts[0]!.slice(0, 12), i], { ...SAMPLED, seed: i, maxTokens: 12 }),
      );
    for (const count of [2, 3]) {
      const { session, stages, loopback } = pipelines.get(count)!;
      const most = async (given: NodeJob[], lanes: number) => {
        let flying = 0;
        loopback.tamper = (bytes) => {
          flying = Math.max(flying, stages.flying);
          return [bytes];
        };
        const tokens = await serve(session, given, lanes);
        loopback.tamper = (bytes) => [bytes];
        expect(tokens.map(({ length }) => length)).toEqual(given.map(() => 12));
        return flying;
      };
      expect(await most(jobs(), count), `${count} stages`).toBe(count);
      // One sequence alone waits for each token of its own.
      expect(await most(jobs().slice(0, 1), count)).toBe(1);
    }
  });

  it('each has the tokens that it has alone on one worker, with guesses and shared beginnings', async () => {
    // The second begins as the first and repeats itself, so that guesses are made and taken.
    const repeating = [...prompts[0]!, ...prompts[0]!, ...prompts[0]!.slice(0, 30)];
    const inputs = [prompts[0]!, repeating, prompts[1]!, prompts[2]!, repeating.slice(0, 140)];
    const jobs = () =>
      inputs.map((prompt, i) => jobOf(prompt, { ...(i % 2 ? GREEDY : SAMPLED), maxTokens: 24 }));
    const expected = [];
    for (const job of jobs()) expected.push(...(await serve(whole.session, [job], 1)));
    for (const count of [2, 3]) {
      const { session, servers } = pipelines.get(count)!;
      expect(await serve(session, jobs(), count), `${count} stages`).toEqual(expected);
      const nothing = servers.map(() => 0);
      const sequences = () => servers.map(({ load }) => load.sequences);
      await vi.waitFor(() => expect(sequences()).toEqual(nothing), WAIT);
    }
  });
});
