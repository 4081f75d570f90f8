/** Several sequences in one run of the engine loop: that they are, in which order, and with which tokens. */
import type { NodeJob } from '@blyan/protocol/node';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { JobEvent } from '../src/engine/messages.ts';
import { prefillChunk } from '../src/engine/prefill-chunks.ts';
import { answerAlone, jobOf, startLoop } from './support/loop.ts';
import { GREEDY, type LoadedModel, loadModel, micro } from './support/models.ts';

const SLOTS = 4;
let model: LoadedModel;
beforeAll(async () => {
  model = await loadModel(micro('qwen3-micro'), { slots: SLOTS });
});
afterAll(() => model?.[Symbol.asyncDispose]());

const text = (length: number, seed: number) =>
  Array.from({ length }, (_, i) => (i * 7 + seed * 31) % 512);

describe('several sequences', () => {
  it('share their runs, and have the tokens that each has alone', async () => {
    const decode = vi.spyOn(model.session, 'decode');
    const { loop, tokens } = startLoop(model);
    const requests = [
      jobOf(),
      jobOf({ prompt: text(300, 1) }),
      jobOf({ prompt: [511, 1], params: { ...GREEDY, temperature: 1, seed: 9, maxTokens: 20 } }),
    ];
    for (const request of requests) loop.submit(request);
    await loop.drain();
    const together = decode.mock.calls.map(([caches]) => caches.length);
    decode.mockRestore();
    expect(Math.max(...together)).toBe(3);
    for (const request of requests) {
      expect(tokens(request)).toEqual(await answerAlone(model, request));
    }
  });

  it('more than a run has slots for go in several', async () => {
    const decode = vi.spyOn(model.session, 'decode');
    const { loop, tokens } = startLoop(model, { slots: 6 });
    const requests = Array.from({ length: 6 }, (_, i) => jobOf({ prompt: text(5, i) }));
    for (const request of requests) loop.submit(request);
    await loop.drain();
    const together = decode.mock.calls.map(([caches]) => caches.length);
    decode.mockRestore();
    expect(Math.max(...together)).toBe(SLOTS);
    expect(together.join()).toContain('4,2,4,2');
    for (const request of requests) {
      expect(tokens(request)).toEqual(await answerAlone(model, request));
    }
  });

  it('take turns with their prompts, chunk by chunk, and a short one is not last', async () => {
    const chunk = prefillChunk(model.session.config, 0);
    const { loop, events } = startLoop(model);
    const requests = { a: text(4 * chunk, 1), b: text(3 * chunk, 2), c: text(10, 3) };
    const names = new Map<string, string>();
    for (const [name, prompt] of Object.entries(requests)) {
      const request = jobOf({ prompt });
      names.set(request.requestId, name);
      loop.submit(request);
    }
    await loop.drain();
    const order = events.flatMap((e) =>
      e.type === 'prefill' ? [`${names.get(e.requestId)} ${e.done}`] : [],
    );
    expect(order).toEqual([
      ...[`a ${chunk}`, `b ${chunk}`, 'c 10'],
      ...[`a ${2 * chunk}`, `b ${2 * chunk}`],
      ...[`a ${3 * chunk}`, `b ${3 * chunk}`],
      `a ${4 * chunk}`,
    ]);
    // The short one's answer goes on between the chunks of the others.
    const first = events.findIndex((e) => e.type === 'tokens' && names.get(e.requestId) === 'c');
    const longest = events.findIndex((e) => e.type === 'prefill' && e.done === 4 * chunk);
    expect(first).toBeLessThan(longest);
  });
});

/** What one request does: it comes when so many events were seen, and may be cancelled after some of its own. */
const plan = fc.record({
  joinsAt: fc.nat({ max: 6 }),
  length: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 150 })),
  // Few different prompts: some begin with what another one has read.
  seed: fc.nat({ max: 2 }),
  maxTokens: fc.integer({ min: 1, max: 40 }),
  temperature: fc.constantFrom(0, 1),
  cancelsAt: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null }),
});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

it('whoever joins, leaves or is cancelled, each has the tokens that it has alone', async () => {
  const decode = vi.spyOn(model.session, 'decode');
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 2, maxLength: 7 }), async (plans) => {
      await replay(plans);
    }),
    { numRuns: 15, seed: 7 },
  );
  const widest = Math.max(...decode.mock.calls.map(([caches]) => caches.length));
  decode.mockRestore();
  // Otherwise nothing was shown about company.
  expect(widest).toBeGreaterThan(1);
});

async function replay(plans: Plan[]): Promise<void> {
  const waiting = plans
    .map((each) => ({
      ...each,
      request: jobOf({
        prompt: text(each.length, each.seed),
        params: {
          ...GREEDY,
          temperature: each.temperature,
          seed: each.seed,
          maxTokens: each.maxTokens,
        },
      }),
    }))
    .sort((a, b) => a.joinsAt - b.joinsAt);
  const all = [...waiting];
  const seen = new Map<string, number>();
  let events = 0;
  const { loop, of, tokens } = startLoop(model, {
    slots: plans.length,
    onEvent(event: JobEvent, own) {
      events++;
      const count = (seen.get(event.requestId) ?? 0) + 1;
      seen.set(event.requestId, count);
      const { request, cancelsAt } = all.find((e) => e.request.requestId === event.requestId)!;
      // As in the engine process, where commands come between two runs and not inside an event.
      setImmediate(() => {
        if (count === cancelsAt) own.cancel(request.requestId, request.attempt);
        join();
      });
    },
  });
  const join = () => {
    while (waiting.length > 0 && (waiting[0]!.joinsAt <= events || loop.active === 0)) {
      loop.submit(waiting.shift()!.request);
    }
  };
  join();
  const ended = (request: NodeJob) => of(request).some(({ type }) => type === 'done');
  while (!all.every(({ request }) => ended(request))) {
    await new Promise(setImmediate);
    join();
  }
  await loop.drain();
  for (const { request, cancelsAt } of all) {
    const ends = of(request).filter(({ type }) => type === 'done' || type === 'fail');
    expect(ends).toMatchObject([{ type: 'done', count: tokens(request).length }]);
    const expected = await answerAlone(model, request);
    const given = tokens(request);
    expect(given).toEqual(cancelsAt === null ? expected : expected.slice(0, given.length));
  }
}
