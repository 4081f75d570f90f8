/**
 * Inverse frequencies of the rotary embedding: radians a position for each pair of a head, by the
 * rope type of the model. Computed in f64 and rounded once to the f32 that the reference has.
 */
import type { ModelConfig } from '../config.ts';
import type { RopeConfig } from '../families/family.ts';

type Of<T extends RopeConfig['type']> = Extract<RopeConfig, { type: T }>;

/** [headDim / 2], radians for each position. */
export function inverseFrequencies({
  headDim,
  rope,
}: Pick<ModelConfig, 'headDim' | 'rope'>): Float32Array {
  const half = headDim / 2;
  const plain = Float64Array.from(
    { length: half },
    (_, i) => 1 / rope.theta ** ((2 * i) / headDim),
  );
  switch (rope.type) {
    case 'default':
      return Float32Array.from(plain);
    case 'linear':
      return Float32Array.from(plain, (frequency) => frequency / rope.factor);
    case 'llama3':
      return Float32Array.from(plain, (frequency) => llama3(frequency, rope));
    case 'yarn':
      return yarn(plain, headDim, rope);
  }
}

/** Factor of all cosines and sines. */
export const rotationScale = ({ rope }: Pick<ModelConfig, 'rope'>): number =>
  rope.type === 'yarn' ? rope.attentionFactor : 1;

/** Long waves are slowed down by the factor, short ones kept, and those between blended. */
function llama3(frequency: number, rope: Of<'llama3'>): number {
  const turns = (rope.originalContext * frequency) / (2 * Math.PI);
  if (turns < rope.lowFrequency) return frequency / rope.factor;
  if (turns > rope.highFrequency) return frequency;
  const kept = (turns - rope.lowFrequency) / (rope.highFrequency - rope.lowFrequency);
  return ((1 - kept) * frequency) / rope.factor + kept * frequency;
}

/** YaRN, https://arxiv.org/abs/2309.00071, section 3.2: the ramp runs over pairs, not over waves. */
function yarn(plain: Float64Array, headDim: number, rope: Of<'yarn'>): Float32Array {
  /** The pair, as a fraction, that turns that often within the original context. */
  const pairOf = (turns: number) =>
    (headDim * Math.log(rope.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  const [first, last] = [pairOf(rope.betaFast), pairOf(rope.betaSlow)];
  const low = Math.max(rope.truncate ? Math.floor(first) : first, 0);
  const high = Math.min(rope.truncate ? Math.ceil(last) : last, headDim - 1);
  const width = high === low ? 0.001 : high - low;
  return Float32Array.from(plain, (frequency, i) => {
    const slowed = Math.min(Math.max((i - low) / width, 0), 1);
    return (frequency / rope.factor) * slowed + frequency * (1 - slowed);
  });
}
