import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DrawParams, noiseBits, sample } from '../src/sampler.ts';
import vectors from '../vectors/sampler.json' with { type: 'json' };

const PLAIN: DrawParams = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 };

describe('vectors', () => {
  it('noise', () => {
    for (const { seed, position, token, bits } of vectors.noise) {
      expect(noiseBits(seed, position, token)).toBe(bits);
    }
  });
  it.each(vectors.cases)('$name', ({ logits, params, position, token }) => {
    expect(sample(Float32Array.from(logits), params, position)).toBe(token);
  });
});

/** Pearson's statistic of counts against probabilities. */
function chiSquare(counts: number[], probabilities: number[], draws: number): number {
  return counts.reduce((sum, count, i) => {
    const expected = probabilities[i]! * draws;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

const softmax = (logits: ArrayLike<number>, temperature: number): number[] => {
  const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

describe('distribution', () => {
  const logits = Float32Array.from([0, 1, -1, 2, 0.5, -2, 1.5, 0.2]);
  const draws = 40_000;
  // 99.99% quantiles of the chi-square distribution.
  const limit = { 7: 29.88, 3: 21.11 };

  it.each([
    ['over positions', (i: number) => [11, i]],
    ['over seeds', (i: number) => [i, 3]],
    ['over high halves of the seed', (i: number) => [i * 2 ** 33 + 5, 0]],
  ] as const)('is the softmax %s', (_, at) => {
    for (const temperature of [0.5, 1, 2]) {
      const counts = new Array<number>(logits.length).fill(0);
      for (let i = 0; i < draws; i++) {
        const [seed, position] = at(i) as [number, number];
        counts[sample(logits, { ...PLAIN, temperature, seed }, position)]!++;
      }
      expect(chiSquare(counts, softmax(logits, temperature), draws)).toBeLessThan(limit[7]);
    }
  });

  it('is the renormalized softmax of what top_k leaves', () => {
    const kept = [3, 6, 1, 4];
    const counts = new Array<number>(4).fill(0);
    for (let i = 0; i < draws; i++)
      counts[kept.indexOf(sample(logits, { ...PLAIN, topK: 4 }, i))]!++;
    const probabilities = softmax(
      kept.map((token) => logits[token]!),
      1,
    );
    expect(chiSquare(counts, probabilities, draws)).toBeLessThan(limit[3]);
  });

  it('draws independently at neighbouring positions', () => {
    const flat = new Float32Array(4);
    const pairs = new Array<number>(16).fill(0);
    for (let i = 0; i < draws; i++)
      pairs[sample(flat, PLAIN, 2 * i) * 4 + sample(flat, PLAIN, 2 * i + 1)]!++;
    // 99.99% quantile for 15 degrees of freedom.
    expect(chiSquare(pairs, new Array<number>(16).fill(1 / 16), draws)).toBeLessThan(44.26);
  });
});

describe('properties', () => {
  const logitsOf = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), {
    minLength: 1,
    maxLength: 80,
  });
  const params = fc.record({
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    topK: fc.integer({ min: 0, max: 90 }),
    topP: fc.double({ min: 0.001, max: 1, noNaN: true }),
    minP: fc.double({ min: 0, max: 1, noNaN: true }),
    seed: fc.maxSafeNat(),
  });

  it('keeps within its filters, and draws the same again', () => {
    fc.assert(
      fc.property(logitsOf, params, fc.nat(), (values, given, position) => {
        const logits = Float32Array.from(values);
        const token = sample(logits, given, position);
        expect(token).toBe(sample(logits, given, position));
        const larger = logits.filter((logit) => logit > logits[token]!);
        if (given.topK > 0) expect(larger.length).toBeLessThan(given.topK);
        if (given.topK === 1 || given.temperature === 0) expect(larger).toHaveLength(0);
        const weights = softmax(
          logits.map((l) => l - Math.max(...logits)),
          given.temperature || 1,
        );
        const mass = weights.reduce(
          (sum, w, i) => (logits[i]! > logits[token]! ? sum + w : sum),
          0,
        );
        if (given.topK === 0 && given.temperature > 0) expect(mass).toBeLessThan(given.topP + 1e-9);
      }),
    );
  });

  it('gives a token of its own to a changed loser only if that wins', () => {
    const logits = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i) * 2);
    const token = sample(logits, PLAIN, 9);
    const nudged = logits.map((logit, i) => (i === token ? logit : logit - 1e-3));
    expect(sample(nudged, PLAIN, 9)).toBe(token);
  });

  it('is greedy at a temperature that would overflow', () => {
    const params = { ...PLAIN, temperature: Number.MIN_VALUE };
    expect(sample(Float32Array.of(1, 2, 3, 2), params, 0)).toBe(2);
  });

  it('refuses logits that are none', () => {
    expect(() => sample(new Float32Array(3).fill(Number.NaN), PLAIN, 0)).toThrow(RangeError);
    expect(() => sample(new Float32Array(0), PLAIN, 0)).toThrow(RangeError);
    expect(() => sample(Float32Array.of(1, Infinity), PLAIN, 0)).toThrow(RangeError);
    expect(sample(Float32Array.of(Number.NaN, 1), PLAIN, 0)).toBe(1);
  });
});
