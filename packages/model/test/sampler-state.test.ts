import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { logprobsOf } from '../src/logprobs.ts';
import { sample } from '../src/sampler.ts';
import { type Choice, type SampleParams, SamplerState } from '../src/sampler-state.ts';
import vectors from '../vectors/sampler.json' with { type: 'json' };

const OFF: SampleParams = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
  logprobs: null,
};

describe('vectors', () => {
  it.each(vectors.answers)('$name', ({ params, prompt, rows, repeats, choices }) => {
    const state = new SamplerState(params as unknown as SampleParams, prompt);
    const steps = Array.from({ length: repeats }, () => rows).flat();
    const chosen = steps.map((row) => state.next(Float32Array.from(row)));
    expect(chosen.map(({ token }) => token)).toEqual(choices.map(({ token }) => token));
    for (const [i, { logprobs }] of chosen.entries()) {
      const expected = choices[i]!.logprobs;
      expect(logprobs?.top.map(([id]) => id)).toEqual(expected?.top.map(([id]) => id));
      const numbers = (of: Choice['logprobs']) =>
        of === null ? [] : [of.logprob, ...of.top.map(([, logprob]) => logprob)];
      const wanted = numbers(expected as Choice['logprobs']);
      for (const [n, value] of numbers(logprobs).entries()) {
        expect(value).toBeCloseTo(wanted[n]!, 8);
        expect(value).toBeLessThanOrEqual(0);
      }
    }
  });
});

const VOCAB = 40;
const token = fc.integer({ min: 0, max: VOCAB - 1 });
const row = fc
  .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: VOCAB, maxLength: VOCAB })
  .map((values) => Float32Array.from(values));
const rows = fc.array(row, { minLength: 1, maxLength: 12 });
const tokens = fc.array(token, { maxLength: 20 });
const penalty = fc.oneof(fc.constant(0), fc.double({ min: -2, max: 2, noNaN: true }));
const params: fc.Arbitrary<SampleParams> = fc.record({
  temperature: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2, noNaN: true })),
  topK: fc.integer({ min: 0, max: VOCAB + 5 }),
  topP: fc.double({ min: 0.001, max: 1, noNaN: true }),
  minP: fc.double({ min: 0, max: 1, noNaN: true }),
  seed: fc.maxSafeNat(),
  repetitionPenalty: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 2, noNaN: true })),
  presencePenalty: penalty,
  frequencyPenalty: penalty,
  logitBias: fc.uniqueArray(fc.tuple(token, fc.double({ min: -100, max: 100, noNaN: true })), {
    maxLength: 5,
    selector: ([id]) => id,
  }),
  logprobs: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 20 })),
});

const all = (state: SamplerState, logits: Float32Array[]) => logits.map((row) => state.next(row));

describe('SamplerState', () => {
  it('leaves the logits as they were, inside of a larger buffer too', () => {
    fc.assert(
      fc.property(params, tokens, tokens, row, (given, prompt, emitted, logits) => {
        const buffer = new Float32Array(VOCAB + 7).fill(5);
        const view = buffer.subarray(3, 3 + VOCAB);
        view.set(logits);
        const before = Float32Array.from(buffer);
        const inView = new SamplerState(given, prompt, emitted).choose(view);
        expect(buffer).toEqual(before);
        expect(inView).toEqual(new SamplerState(given, prompt, emitted).choose(logits));
      }),
    );
  });

  it('goes on the same from any position of the answer', () => {
    fc.assert(
      fc.property(params, tokens, rows, fc.nat(), (given, prompt, logits, cut) => {
        const whole = all(new SamplerState(given, prompt), logits);
        const from = cut % logits.length;
        const emitted = whole.slice(0, from).map((choice) => choice.token);
        const replayed = new SamplerState(given, prompt, emitted);
        expect(replayed.position).toBe(from);
        expect(all(replayed, logits.slice(from))).toEqual(whole.slice(from));
      }),
    );
  });

  it('chooses the same after a detour was rolled back', () => {
    fc.assert(
      fc.property(params, tokens, rows, tokens, (given, prompt, logits, detour) => {
        const straight = all(new SamplerState(given, prompt), logits);
        const state = new SamplerState(given, prompt);
        const choices = logits.map((row) => {
          for (const id of detour) state.advance(id);
          state.rollback(detour.length);
          return state.next(row);
        });
        expect(choices).toEqual(straight);
      }),
    );
  });

  it('verifies a draft into what plain choices give', () => {
    fc.assert(
      fc.property(params, tokens, rows, fc.nat(), (given, prompt, logits, wrongAt) => {
        const plain = all(new SamplerState(given, prompt), logits);
        const draft = plain.slice(0, -1).map((choice) => choice.token);
        const at = wrongAt % (draft.length + 1);
        if (at < draft.length) draft[at] = (draft[at]! + 1) % VOCAB;
        const state = new SamplerState(given, prompt);
        expect(state.verify(logits, draft)).toEqual(plain.slice(0, at + 1));
        expect(state.position).toBe(at + 1);
        expect(all(state, logits.slice(at + 1))).toEqual(plain.slice(at + 1));
      }),
    );
  });

  it('is the bare draw where nothing is asked for', () => {
    fc.assert(
      fc.property(params, tokens, rows, (given, prompt, logits) => {
        const { temperature, topK, topP, minP, seed } = given;
        const state = new SamplerState({ ...OFF, temperature, topK, topP, minP, seed }, prompt);
        for (const [position, row] of logits.entries()) {
          expect(state.next(row)).toEqual({ token: sample(row, given, position), logprobs: null });
        }
      }),
    );
  });

  it('puts the logits back when there is nothing to choose', () => {
    const logits = Float32Array.of(1, Number.POSITIVE_INFINITY, 2);
    const state = new SamplerState({ ...OFF, repetitionPenalty: 2, logitBias: [[1, 1]] }, [0, 1]);
    expect(() => state.next(logits)).toThrow(RangeError);
    expect([...logits]).toEqual([1, Number.POSITIVE_INFINITY, 2]);
    expect(state.position).toBe(0);
    // An id that the model does not have, as of a row that pads nothing.
    const beyond = new SamplerState({ ...OFF, temperature: 0, logitBias: [[3, 100]] }, []);
    expect(beyond.next(Float32Array.of(1, 2, 0)).token).toBe(1);
  });
});

describe('log-probabilities', () => {
  it('are those of sorting everything', () => {
    const logits = fc.array(fc.float({ min: -50, max: 50, noNaN: true }), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(logits, fc.nat(), fc.integer({ min: 0, max: 20 }), (values, nat, count) => {
        const row = Float32Array.from(values);
        const chosen = nat % row.length;
        const max = Math.max(...row);
        const log = max + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
        const sorted = Array.from(row, (logit, id) => ({ id, logit })).sort(
          (a, b) => b.logit - a.logit || a.id - b.id,
        );
        const { logprob, top } = logprobsOf(row, chosen, count);
        expect(Math.abs(logprob - (row[chosen]! - log))).toBeLessThan(2e-9);
        expect(top.map(([id]) => id)).toEqual(sorted.slice(0, count).map(({ id }) => id));
        for (const [i, [, value]] of top.entries()) {
          expect(Math.abs(value - (sorted[i]!.logit - log))).toBeLessThan(2e-9);
        }
      }),
    );
  });

  it('are finite, and leave out what cannot be', () => {
    const logits = Float32Array.of(Number.NaN, 0, -1e30, Number.NEGATIVE_INFINITY);
    expect(logprobsOf(logits, 1, 3)).toEqual({
      logprob: 0,
      top: [
        [1, 0],
        [2, -9999],
      ],
    });
  });
});
