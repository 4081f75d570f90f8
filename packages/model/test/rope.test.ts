import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { inverseFrequencies, rotationScale } from '../src/stage/frequencies.ts';
import { Rope } from '../src/stage/rope.ts';
import { qwen3Config, SMALL } from '../src/testing.ts';

interface RopeCase {
  name: string;
  config: Record<string, unknown>;
  /** f32, with the digits that tell it from its neighbours. */
  inverse: number[];
  scale: number;
}

const file = new URL('../fixtures/rope.json', import.meta.url);
const { cases }: { cases: RopeCase[] } = JSON.parse(await readFile(file, 'utf8'));

const parse = (config: Record<string, unknown>) =>
  parseConfig({ ...qwen3Config(SMALL), ...config });

describe('inverse frequencies and scale, as the reference implementation has them', () => {
  test.each(cases)('$name', ({ config, inverse, scale }) => {
    const parsed = parse(config);
    const found = inverseFrequencies(parsed);
    expect(found.length).toBe(inverse.length);
    // Equal, or one f32 neighbour apart: powers are not rounded correctly everywhere.
    inverse.forEach((value, i) => {
      expect(Math.abs(found[i]! / value - 1)).toBeLessThan(2 ** -23);
    });
    expect(rotationScale(parsed)).toBeCloseTo(scale, 12);
  });
});

test('the tables turn by position times frequency, and carry the scale', () => {
  const { config } = cases.find(({ name }) => name === 'yarn, attention_factor')!;
  const parsed = parse(config);
  const { cos, sin, queryCos, querySin } = new Rope(parsed).tables([0, 7, 2]);
  const half = parsed.headDim / 2;
  expect([cos.length, sin.length]).toEqual([3 * half, 3 * half]);
  expect(cos.subarray(0, half)).toEqual(new Float32Array(half).fill(0.75));
  expect(sin.subarray(0, half)).toEqual(new Float32Array(half));
  const inverse = inverseFrequencies(parsed);
  expect(cos[2 * half + 5]).toBeCloseTo(0.75 * Math.cos(2 * inverse[5]!), 6);
  expect(sin[2 * half + 5]).toBeCloseTo(0.75 * Math.sin(2 * inverse[5]!), 6);
  // Those of the queries carry the scale of the scores, too.
  const score = 1 / Math.sqrt(parsed.headDim);
  expect(queryCos[half + 3]).toBeCloseTo(cos[half + 3]! * score, 6);
  expect(querySin[half + 3]).toBeCloseTo(sin[half + 3]! * score, 6);
});
