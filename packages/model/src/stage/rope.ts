/**
 * Rotary position embedding: cosines and sines of the positions of one run, so that the graph holds
 * nothing that depends on the position, and the length of the context costs no memory.
 */
import type { ModelConfig } from '../config.ts';
import { inverseFrequencies, rotationScale } from './frequencies.ts';

export class Rope {
  /** Radians per position, for each pair of a head. */
  readonly #inverse: Float32Array;
  readonly #scale: number;
  readonly #queryScale: number;

  constructor(config: Pick<ModelConfig, 'headDim' | 'rope'>) {
    this.#inverse = inverseFrequencies(config);
    this.#scale = rotationScale(config);
    this.#queryScale = 1 / Math.sqrt(config.headDim);
  }

  /** [positions.length, headDim / 2] each; those for queries carry the 1 / sqrt(headDim) of the scores. */
  tables(
    positions: ArrayLike<number>,
  ): Record<'cos' | 'sin' | 'queryCos' | 'querySin', Float32Array> {
    const half = this.#inverse.length;
    const [cos, sin, queryCos, querySin] = Array.from(
      { length: 4 },
      () => new Float32Array(positions.length * half),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    for (let p = 0; p < positions.length; p++) {
      for (let i = 0; i < half; i++) {
        const at = p * half + i;
        const angle = Math.fround(positions[p]! * this.#inverse[i]!);
        cos[at] = Math.cos(angle) * this.#scale;
        sin[at] = Math.sin(angle) * this.#scale;
        queryCos[at] = cos[at]! * this.#queryScale;
        querySin[at] = sin[at]! * this.#queryScale;
      }
    }
    return { cos, sin, queryCos, querySin };
  }
}
