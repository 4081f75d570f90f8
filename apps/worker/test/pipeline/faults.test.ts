/** What breaks in a pipeline: a typed failure that names the stage, within seconds; then all goes on. */

import { decodeFrame, encodeFrame, type Frame } from '@blyan/protocol/frames';
import type { NodeJob } from '@blyan/protocol/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CAPACITY_STEP, kvBytesPerPosition } from '../../src/engine/kv-cache.ts';
import { KvMemory } from '../../src/engine/kv-memory.ts';
import { EngineLoop } from '../../src/engine/loop.ts';
import type { JobEvent } from '../../src/engine/messages.ts';
import { prefillChunk } from '../../src/engine/prefill-chunks.ts';
import { generate } from '../../src/engine/runner.ts';
import { GREEDY, kvMemory, type LoadedModel, loadModel, micro } from '../support/models.ts';
import { startPipeline, type TestPipeline } from '../support/pipeline.ts';

const RANGES: [number, number][] = [
  [0, 0],
  [1, 1],
  [2, 2],
];
const MODEL = 'ab'.repeat(32);
const PROMPT = [3, 17, 255, 9];
let whole: LoadedModel;
let pipeline: TestPipeline;
let expected: number[];

beforeAll(async () => {
  whole = await loadModel(micro('qwen3-micro'), { slots: 2 });
  pipeline = await startPipeline(whole, RANGES, { slots: 2, silentMs: 1200 });
  expected = (await generate(whole.session, PROMPT, { ...GREEDY, maxTokens: 24 })).tokens;
});
afterAll(async () => {
  await pipeline?.[Symbol.asyncDispose]();
  await whole?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  pipeline.lost.length = 0;
  pipeline.loopback.tamper = (bytes) => [bytes];
  if (pipeline.stages.epoch === 0) await pipeline.stages.connect(AbortSignal.timeout(5000));
});

let serial = 0;
const jobOf = (maxTokens = 24): NodeJob => ({
  requestId: `request-000000000000-${serial++}`,
  attempt: 1,
  model: MODEL,
  prompt: PROMPT,
  emitted: [],
  params: { ...GREEDY, maxTokens },
  stopTokens: [],
  remainingMs: 30_000,
});

/** Two answers under way, `act` once they are; how both end. */
async function during(act: () => void, maxTokens = 400) {
  const events: JobEvent[] = [];
  const { session } = pipeline;
  const { config, numerics } = session;
  const memory = kvMemory({
    config,
    numerics,
    spec: whole.session.spec,
    createCache: () => session.createCache(),
  });
  let acted = false;
  const loop = new EngineLoop(
    { model: MODEL, slots: 4, lanes: 3 },
    {
      session,
      memory,
      emit: (event) => {
        events.push(event);
        if (event.type !== 'tokens' || acted || event.position < 1) return;
        acted = true;
        act();
      },
    },
  );
  const jobs = [jobOf(maxTokens), jobOf(maxTokens)];
  const start = performance.now();
  for (const job of jobs) loop.submit(job);
  await loop.drain();
  return {
    ms: performance.now() - start,
    ends: jobs.map(({ requestId }) => events.findLast((e) => e.requestId === requestId)),
    memory,
  };
}

const answer = async () => {
  const { tokens } = await generate(pipeline.session, PROMPT, { ...GREEDY, maxTokens: 24 });
  return tokens;
};

const changed = (bytes: Uint8Array, change: (frame: Frame) => Partial<Frame>) => {
  const frame = decodeFrame(bytes);
  return encodeFrame({ ...frame, ...change(frame) });
};
const isRun = (bytes: Uint8Array) => decodeFrame(bytes).kind === 'run';

async function expectFailure(code: string, culprit: string | undefined, act: () => void) {
  const { ends, ms, memory } = await during(act);
  for (const end of ends) {
    expect(end).toMatchObject({ type: 'fail', code, retry: true });
    expect(end && 'culprit' in end ? end.culprit : undefined).toBe(culprit);
  }
  expect(ms).toBeLessThan(6000);
  expect(pipeline.lost).toHaveLength(1);
  expect(pipeline.stages.flying).toBe(0);
  // Nothing of the lost epoch is gone on with, and the next one gives the same answer.
  memory.clear();
  pipeline.loopback.tamper = (bytes) => [bytes];
  await pipeline.stages.connect(AbortSignal.timeout(5000));
  expect(await answer()).toEqual(expected);
  for (const server of pipeline.servers)
    await vi.waitFor(() => expect(server.load.sequences).toBe(0), { timeout: 5000 });
}

describe('a stage', () => {
  it('that is silent is named', async () => {
    await expectFailure('STAGE_LOST', 'node-1', () => {
      pipeline.loopback.tamper = (bytes, from, to) => (from === 1 || to === 1 ? [] : [bytes]);
    });
  });

  it('whose connection breaks is named', async () => {
    await expectFailure('STAGE_LOST', 'node-2', () => pipeline.loopback.cut(1));
  });

  it('that drops a run and goes on as if nothing were is named by its successor', async () => {
    let dropped = false;
    await expectFailure('STAGE_ORDER', 'node-1', () => {
      pipeline.loopback.tamper = (bytes, from, to) => {
        if (dropped || from !== 1 || to !== 2 || !isRun(bytes)) return [bytes];
        dropped = true;
        return [];
      };
    });
  });

  it('that swallows all runs but answers is named', async () => {
    await expectFailure('STAGE_LOST', 'node-2', () => {
      pipeline.loopback.tamper = (bytes, from, to) =>
        from === 1 && to === 2 && isRun(bytes) ? [] : [bytes];
    });
  });

  it.each<[string, string, (frame: Frame) => Partial<Frame>]>([
    [
      'rows of another width',
      'STAGE_SHAPE',
      () => ({ payload: { type: 'f32', rows: 1, width: 3, bytes: new Uint8Array(12) } }),
    ],
    [
      'another element type',
      'STAGE_SHAPE',
      ({ payload }) => ({
        payload: {
          ...payload!,
          type: 'f16',
          bytes: payload!.bytes.slice(payload!.bytes.length / 2),
        },
      }),
    ],
    ['no rows', 'STAGE_SHAPE', () => ({ payload: null })],
    [
      'more sequences than rows',
      'STAGE_SHAPE',
      ({ groups }) => ({ groups: [...groups, ...groups] }),
    ],
    ['another kind of run', 'STAGE_SHAPE', () => ({ mode: 'none' })],
    [
      'positions behind a gap',
      'STAGE_ORDER',
      ({ groups }) => ({ groups: groups.map((g) => ({ ...g, position: g.position + 1 })) }),
    ],
    [
      'positions behind the context',
      'STAGE_ORDER',
      ({ groups }) => ({ groups: groups.map((g) => ({ ...g, position: 0xffffffff })) }),
    ],
    [
      'a sequence that nobody knows',
      'STAGE_ORDER',
      ({ groups }) => ({ groups: groups.map((g) => ({ ...g, cache: 99 })) }),
    ],
    ['a repeated number', 'STAGE_ORDER', ({ seq }) => ({ seq: seq - 1 })],
  ])('that sends %s is named by its successor', async (_name, code, change) => {
    await expectFailure(code, 'node-1', () => {
      pipeline.loopback.tamper = (bytes, from, to) =>
        from === 1 && to === 2 && isRun(bytes) ? [changed(bytes, change)] : [bytes];
    });
  });

  it('that gives the head rows of another shape is named', async () => {
    const payload = { type: 'f32' as const, rows: 1, width: 3, bytes: new Uint8Array(12) };
    await expectFailure('STAGE_SHAPE', 'node-2', () => {
      pipeline.loopback.tamper = (bytes, from) =>
        from === 2 && decodeFrame(bytes).kind === 'result'
          ? [changed(bytes, () => ({ payload }))]
          : [bytes];
    });
  });
});

describe('what is no business of this pipeline', () => {
  it('is dropped: noise, other plans, earlier epochs, frames in a wrong name', async () => {
    const { ends } = await during(() => {
      pipeline.loopback.tamper = (bytes, from, to) => {
        const frame = decodeFrame(bytes);
        return [
          Uint8Array.of(1, 2, 3),
          encodeFrame({ ...frame, assignment: crypto.randomUUID() }),
          encodeFrame({ ...frame, epoch: frame.epoch ^ 1, kind: 'run' }),
          encodeFrame({ ...frame, from: (from + 1) % 3 }),
          bytes,
          ...(to === 0 ? [] : [encodeFrame({ ...frame, kind: 'result', from })]),
        ];
      };
    }, 40);
    for (const end of ends) expect(end).toMatchObject({ type: 'done', count: 40 });
    expect(pipeline.lost).toEqual([]);
  });
});

it('a stage forgets the caches of a head that is gone', async () => {
  await using short = await startPipeline(whole, RANGES, { slots: 2, idleMs: 300 });
  const cache = short.session.createCache();
  await short.session.prefill(cache, { input: { ids: PROMPT }, rows: [3] });
  expect(short.servers.map(({ load }) => load.sequences)).toEqual([1, 1]);
  short.loopback.tamper = (bytes, from) => (from === 0 ? [] : [bytes]);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(short.servers.map(({ load }) => load)).toEqual([
    { sequences: 0, kvBytes: 0 },
    { sequences: 0, kvBytes: 0 },
  ]);
});

it('a sequence for which a stage has no memory fails there, and says where', async () => {
  await using small = await startPipeline(whole, RANGES, { slots: 2, kvBytes: 1 });
  const cache = small.session.createCache();
  const run = small.session.prefill(cache, { input: { ids: PROMPT }, rows: [3] });
  await expect(run).rejects.toMatchObject({ code: 'STAGE_MEMORY', culprit: 'node-1', retry: true });
});

it('shared beginnings are copied in stages that are full: what is kept makes room first', async () => {
  const { config } = whole.session;
  const bytesPerPosition = kvBytesPerPosition(config, 1, 'f32');
  const bytes = 4 * CAPACITY_STEP * bytesPerPosition;
  await using full = await startPipeline(whole, RANGES, { slots: 2, kvBytes: bytes });
  const memory = new KvMemory({ config, bytes, bytesPerPosition }, () =>
    full.session.createCache(),
  );
  const chunk = prefillChunk(config, 0);
  for (let i = 0; i < 8; i++) {
    const prompt = Array.from({ length: 2 * chunk + 4 }, (_, at) => (at < chunk ? at : at + i + 1));
    const lease = memory.lease(prompt, CAPACITY_STEP)!;
    const { cache, reused } = lease;
    expect(reused).toBe(i === 0 ? 0 : chunk);
    for (let from = reused; from < prompt.length; from += chunk) {
      const ids = prompt.slice(from, from + chunk);
      const rows = from + chunk < prompt.length ? [] : [ids.length - 1];
      await full.session.prefill(cache, { input: { ids }, rows });
    }
    memory.release(lease);
  }
  expect(full.lost).toEqual([]);
});
