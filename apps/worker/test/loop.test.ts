/** The engine loop on a real session: events, replays, cancelling, failures of one sequence. */
import { MAX_EVENT_BYTES } from '@blyan/protocol/limits';
import { type NodeJob, NodeTokens } from '@blyan/protocol/node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CAPACITY_STEP, KvCache, kvBytesPerPosition } from '../src/engine/kv-cache.ts';
import { KvMemory } from '../src/engine/kv-memory.ts';
import { prefillChunk, wholeChunks } from '../src/engine/prefill-chunks.ts';
import { answerAlone, jobOf, type LoopSetup, startLoop } from './support/loop.ts';
import { GREEDY, kvMemory, type LoadedModel, loadModel, micro } from './support/models.ts';

let model: LoadedModel;
beforeAll(async () => {
  model = await loadModel(micro('qwen3-micro'), { slots: 4 });
});
afterAll(() => model?.[Symbol.asyncDispose]());

const start = (setup: LoopSetup = {}) => startLoop(model, setup);
const alone = (request: NodeJob) => answerAlone(model, request);

describe('EngineLoop', () => {
  it('gives prefill, tokens at their positions, and done', async () => {
    const { loop, of, tokens } = start();
    const request = jobOf();
    loop.submit(request);
    await loop.drain();
    expect(of(request)[0]).toMatchObject({ type: 'prefill', done: 4, total: 4 });
    const batches = of(request).filter((e) => e.type === 'tokens');
    expect(batches[0]).toMatchObject({ position: 0, tokens: { length: 1 } });
    let position = 0;
    for (const batch of batches) {
      expect(batch.position).toBe(position);
      position += batch.tokens.length;
    }
    expect(tokens(request)).toEqual(await alone(request));
    expect(of(request).at(-1)).toMatchObject({ type: 'done', count: 12 });
  });

  it('says log-probabilities, in events that are not too large', async () => {
    const { loop, of, tokens } = start();
    const request = jobOf({ params: { ...GREEDY, logprobs: 20, maxTokens: 200 } });
    const bare = jobOf({ params: { ...GREEDY, maxTokens: 200 } });
    loop.submit(request);
    loop.submit(bare);
    await loop.drain();
    const batches = of(request).filter((e) => e.type === 'tokens');
    for (const batch of batches) {
      const event = NodeTokens.parse(batch);
      expect(JSON.stringify(event).length).toBeLessThan(MAX_EVENT_BYTES);
      expect(event.logprobs).toHaveLength(event.tokens.length);
      event.logprobs?.forEach(({ logprob, top }, i) => {
        // Greedy: the likeliest one.
        expect(top).toHaveLength(20);
        expect(top[0]).toEqual([event.tokens[i], logprob]);
        expect(top.map(([, value]) => value)).toEqual(
          top.map(([, value]) => value).sort((a, b) => b - a),
        );
      });
    }
    expect(tokens(request)).toEqual(tokens(bare));
    expect(of(bare).some((e) => 'logprobs' in e)).toBe(false);
  });

  it('goes on with the same tokens in another attempt, penalties and all', async () => {
    const { loop, tokens } = start();
    const params = {
      ...GREEDY,
      temperature: 1.1,
      seed: 5,
      repetitionPenalty: 1.3,
      presencePenalty: 0.5,
      frequencyPenalty: 0.8,
      logitBias: [[7, 6] as [number, number]],
      maxTokens: 30,
    };
    const whole = jobOf({ params });
    loop.submit(whole);
    await loop.drain();
    const emitted = tokens(whole).slice(0, 11);
    const again = start();
    const rest = jobOf({ params, emitted, attempt: 2 });
    again.loop.submit(rest);
    await again.loop.drain();
    expect([...emitted, ...again.tokens(rest)]).toEqual(tokens(whole));
    expect(tokens(whole)).not.toEqual(await alone(jobOf({ params: { ...params, seed: 6 } })));
    expect(tokens(whole)).toEqual(await alone(whole));
  });

  it('reads a long prompt to its end while another waits for its memory', async () => {
    const { config } = model.session;
    const memory = kvMemory(model.session, 512 * kvBytesPerPosition(config, config.layers, 'f32'));
    const { loop, of, events } = start({ memory });
    const prompt = Array.from({ length: 300 }, (_, i) => (i * 7) % 512);
    const requests = [0, 1].map(() => jobOf({ prompt, remainingMs: 10_000 }, 10));
    for (const request of requests) loop.submit(request);
    await loop.drain();
    for (const request of requests) {
      expect(of(request).at(-1)).toMatchObject({ type: 'done', count: 10 });
    }
    // One after the other: both together have no room.
    const began = events.findIndex(
      (e) => e.type === 'tokens' && e.requestId === requests[1]!.requestId,
    );
    expect(began).toBeGreaterThan(events.indexOf(of(requests[0]!).at(-1)!));
  });

  it('reads in the second turn of a conversation what came behind the prompt of the first', async () => {
    const { config } = model.session;
    const memory = kvMemory(model.session);
    const { loop, of, tokens } = start({ memory });
    const first = jobOf({ prompt: Array.from({ length: 300 }, (_, i) => (i * 7) % 512) }, 20);
    loop.submit(first);
    while (loop.active > 0) await new Promise(setImmediate);
    const question = [5, 6, 7, 8];
    const second = jobOf({ prompt: [...first.prompt, ...tokens(first), ...question] });
    loop.submit(second);
    await loop.drain();
    // Whole chunks of the first prompt are there; the next chunk reaches near the end of the history.
    const kept = wholeChunks(config, 300);
    expect(kept).toBeGreaterThan(200);
    expect(of(second)[0]).toMatchObject({
      type: 'prefill',
      done: kept + prefillChunk(config, kept),
      total: 324,
    });
    expect(tokens(second)).toEqual(await alone(second));
  });

  it('fails one sequence whose cache cannot be made, and serves the others', async () => {
    const { config, numerics } = model.session;
    const bytesPerPosition = kvBytesPerPosition(config, config.layers, numerics.kv);
    let made = 0;
    const memory = new KvMemory({ config, bytes: 2 ** 30, bytesPerPosition }, () => {
      // No system has addresses for such a context.
      const context = made++ === 1 ? 2 ** 50 : config.context;
      return new KvCache({ ...config, context }, config.layers, numerics.kv);
    });
    const { loop, of, tokens } = start({ memory });
    const requests = [jobOf(), jobOf({ prompt: [7] }), jobOf({ prompt: [9, 8] })];
    for (const request of requests) loop.submit(request);
    await loop.drain();
    const [first, second, third] = requests as [NodeJob, NodeJob, NodeJob];
    expect(of(second)).toMatchObject([
      { type: 'fail', code: 'KV_MEMORY_UNAVAILABLE', retry: true },
    ]);
    for (const request of [first, third]) {
      expect(tokens(request)).toEqual(await alone(request));
      expect(of(request).at(-1)).toMatchObject({ type: 'done', count: 12 });
    }
    expect(loop.active).toBe(0);
  });

  it('fails one sequence whose cache cannot grow, and serves those in the same run', async () => {
    const { kvHeads, headDim } = model.session.config;
    const most = CAPACITY_STEP * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT;
    const { resize } = ArrayBuffer.prototype;
    const spy = vi.spyOn(ArrayBuffer.prototype, 'resize').mockImplementation(function (
      this: ArrayBuffer,
      bytes = 0,
    ) {
      if (bytes > most) throw new RangeError('ArrayBuffer.prototype.resize: refused');
      resize.call(this, bytes);
    });
    const { loop, of, tokens } = start();
    const good = jobOf({}, 40);
    const long = jobOf({ prompt: Array.from({ length: CAPACITY_STEP - 8 }, (_, i) => i) }, 40);
    loop.submit(good);
    loop.submit(long);
    await loop.drain();
    spy.mockRestore();
    expect(of(long).at(-1)).toMatchObject({ type: 'fail', code: 'KV_MEMORY_UNAVAILABLE' });
    expect(tokens(long)).toHaveLength(9);
    expect(of(good).at(-1)).toMatchObject({ type: 'done', count: 40 });
    expect(tokens(good)).toEqual(await alone(good));
  });

  it('ends at a stop token, which it emits', async () => {
    const { loop, of, tokens } = start();
    const all = await alone(jobOf());
    const stop = all.find((id, i) => i > 2 && all.indexOf(id) === i)!;
    const request = jobOf({ stopTokens: [stop] });
    loop.submit(request);
    await loop.drain();
    expect(tokens(request)).toEqual(all.slice(0, all.indexOf(stop) + 1));
    expect(of(request).at(-1)).toMatchObject({ type: 'done', count: all.indexOf(stop) + 1 });
  });

  it('goes on behind the tokens of an earlier attempt', async () => {
    const all = await alone(jobOf());
    const { loop, of, tokens } = start();
    const request = jobOf({ attempt: 2, emitted: all.slice(0, 5) });
    const complete = jobOf({ attempt: 3, emitted: all });
    loop.submit(request);
    loop.submit(complete);
    await loop.drain();
    expect(tokens(request)).toEqual(all.slice(5));
    const first = of(request).find(({ type }) => type === 'tokens');
    expect(first).toMatchObject({ type: 'tokens', attempt: 2, position: 5 });
    expect(of(complete)).toMatchObject([{ type: 'done', attempt: 3, count: 12 }]);
  });

  it('cancels between two tokens and gives the slot back', async () => {
    const request = jobOf({}, 400);
    const next = jobOf();
    const { loop, of, tokens } = start({
      slots: 1,
      onEvent(event, own) {
        if (event.type !== 'tokens' || event.requestId !== request.requestId) return;
        if (event.position > 0) return;
        own.cancel(request.requestId, 2); // another attempt: not this one
        setImmediate(() => {
          own.cancel(request.requestId, 1);
          own.submit(next);
        });
      },
    });
    loop.submit(request);
    while (!of(next).some((event) => event.type === 'done')) await new Promise(setImmediate);
    expect(of(request).at(-1)).toMatchObject({ type: 'done' });
    expect(tokens(request).length).toBeLessThan(100);
    expect(loop.active).toBe(0);
  });

  it('lets a later attempt take over, and ignores a repeated delivery', async () => {
    const { loop, of } = start();
    const request = jobOf();
    loop.submit(request);
    loop.submit(request);
    loop.submit({ ...request, attempt: 2 });
    loop.submit(request);
    await loop.drain();
    expect(of(request).filter((event) => event.attempt === 1)).toMatchObject([
      { type: 'done', count: 0 },
      { type: 'fail', code: 'ATTEMPT_SUPERSEDED' },
    ]);
    const second = of(request).filter((event) => event.attempt === 2);
    expect(second.at(-1)).toMatchObject({ type: 'done', count: 12 });
    expect(second.filter((event) => event.type === 'done')).toHaveLength(1);
  });

  it.each([
    ['context_length_exceeded', false, { prompt: new Array<number>(505).fill(1) }],
    ['TOKEN_UNKNOWN', false, { prompt: [512] }],
    ['MODEL_MISMATCH', true, { model: 'cd'.repeat(32) }],
    ['DEADLINE_PASSED', false, { remainingMs: 0 }],
  ])('fails one job with %s, and serves the others', async (code, retry, overrides) => {
    const { loop, of } = start();
    const good = jobOf();
    const bad = jobOf(overrides);
    loop.submit(good);
    loop.submit(bad);
    await loop.drain();
    expect(of(bad)).toMatchObject([{ type: 'fail', code, retry }]);
    expect(of(good).at(-1)).toMatchObject({ type: 'done', count: 12 });
  });

  it('refuses what it has no slot for, and everything once it drains', async () => {
    const { loop, of } = start({ slots: 1 });
    const [first, second, third] = [jobOf(), jobOf(), jobOf()];
    loop.submit(first);
    loop.submit(second);
    const drained = loop.drain();
    loop.submit(third);
    await drained;
    expect(of(second)).toMatchObject([{ type: 'fail', code: 'SLOTS_FULL', retry: true }]);
    expect(of(third)).toMatchObject([{ type: 'fail', code: 'ENGINE_DRAINING', retry: true }]);
    expect(of(first).at(-1)).toMatchObject({ type: 'done' });
  });
});
