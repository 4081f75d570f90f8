/**
 * Rotary position embedding: cosines and sines of the positions of one run, so that the graph holds
 * nothing that depends on the position, and the length of the context costs no memory.
 */
import type { ModelConfig } from '../config.ts';

export class Rope {
  /** Radians per position, for each pair of a head. As the reference implementations have it: f32. */
  readonly #inverse: Float32Array;
  readonly #queryScale: number;

  constructor({ headDim, rope }: ModelConfig) {
    this.#inverse = new Float32Array(headDim / 2);
    for (let i = 0; i < this.#inverse.length; i++) {
      this.#inverse[i] = 1 / rope.theta ** ((2 * i) / headDim);
    }
    this.#queryScale = 1 / Math.sqrt(headDim);
  }

  /** [positions.length, headDim / 2] each; those for queries carry the 1 / sqrt(headDim) of the scores. */
  tables(positions: ArrayLike<number>): Record<'cos' | 'sin' | 'queryCos' | 'querySin', Float32Array> {
    const half = this.#inverse.length;
    const [cos, sin, queryCos, querySin] = Array.from(
      { length: 4 },
      () => new Float32Array(positions.length * half),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    for (let p = 0; p < positions.length; p++) {
      for (let i = 0; i < half; i++) {
        const at = p * half + i;
        const angle = Math.fround(positions[p]! * this.#inverse[i]!);
        cos[at] = Math.cos(angle);
        sin[at] = Math.sin(angle);
        queryCos[at] = cos[at]! * this.#queryScale;
        querySin[at] = sin[at]! * this.#queryScale;
      }
    }
    return { cos, sin, queryCos, querySin };
  }
}
