/**
 * Inverse frequencies of the rotary embedding: radians a position for each pair of a head, by the rope
 * type of the model. Each step is rounded to f32, because the reference implementation computes so: at
 * position 100 000 one f32 neighbour more or less turns a pair by 0.01 radians.
 */
import type { ModelConfig } from '../config.ts';
import type { RopeConfig } from '../families/family.ts';

type Of<T extends RopeConfig['type']> = Extract<RopeConfig, { type: T }>;

const f32 = Math.fround;

/** [headDim / 2], radians for each position. */
export function inverseFrequencies({
  headDim,
  rope,
}: Pick<ModelConfig, 'headDim' | 'rope'>): Float32Array {
  const periods = Float32Array.from(
    { length: headDim / 2 },
    (_, i) => rope.theta ** f32((2 * i) / headDim),
  );
  const plain = periods.map((period) => 1 / period);
  switch (rope.type) {
    case 'default':
      return plain;
    case 'linear':
      return plain.map((frequency) => frequency / rope.factor);
    case 'llama3':
      return plain.map((frequency) => llama3(frequency, rope));
    case 'yarn':
      return yarn(periods, headDim, rope);
  }
}

/** Factor of all cosines and sines. */
export const rotationScale = ({ rope }: Pick<ModelConfig, 'rope'>): number =>
  rope.type === 'yarn' ? rope.attentionFactor : 1;

/** Long waves are slowed down by the factor, short ones kept, and those between blended. */
function llama3(frequency: number, rope: Of<'llama3'>): number {
  const { factor, lowFrequency: low, highFrequency: high, originalContext } = rope;
  const wave = f32(f32(2 * Math.PI) * f32(1 / frequency));
  if (wave > originalContext / low) return frequency / factor;
  if (wave < originalContext / high) return frequency;
  const kept = f32(f32(f32(originalContext * f32(1 / wave)) - low) / (high - low));
  return f32(f32(f32(1 - kept) * frequency) / factor) + f32(kept * frequency);
}

/**
 * YaRN, https://arxiv.org/abs/2309.00071, section 3.2. As in the reference implementation the ramp
 * runs over the numbers of the pairs, not over their wavelengths.
 */
function yarn(periods: Float32Array, headDim: number, rope: Of<'yarn'>): Float32Array {
  /** The pair, as a fraction, that turns that often within the original context. */
  const pairOf = (turns: number) =>
    (headDim * Math.log(rope.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  const [first, last] = [pairOf(rope.betaFast), pairOf(rope.betaSlow)];
  const low = Math.max(rope.truncate ? Math.floor(first) : first, 0);
  const high = Math.min(rope.truncate ? Math.ceil(last) : last, headDim - 1);
  const width = high === low ? 0.001 : high - low;
  return periods.map((period, i) => {
    const ramp = Math.min(Math.max(f32(f32(i - low) / width), 0), 1);
    const kept = f32(1 - ramp);
    const slowed = f32(1 / f32(rope.factor * period));
    return f32(slowed * f32(1 - kept)) + f32(f32(1 / period) * kept);
  });
}
