/**
 * K and V of one sequence, owned by us and lent to the session at each run. Position-major,
 * [capacity, kvHeads, headDim] per layer, so that the past is a view of the front, a new position is
 * one copy, and growing is one copy. Grows in steps, so that a long answer does not copy often.
 */
import type { ModelConfig } from '@blyan/model/config';
import { Tensor } from 'onnxruntime-node';
import { EngineError } from './errors.ts';

/** Positions per step: 56 MiB for the 0.6B shape, filled within seconds by a running sequence. */
export const CAPACITY_STEP = 256;

export interface Past {
  keys: Tensor;
  values: Tensor;
}

export class KvCache {
  /** Valid positions. */
  length = 0;
  capacity = 0;
  readonly #config: ModelConfig;
  /** Numbers per position and layer, of K and of V. */
  readonly #width: number;
  #keys: Float32Array[];
  #values: Float32Array[];

  /** `layers`: how many layers the stage holds. Memory is taken at the first `reserve`. */
  constructor(config: ModelConfig, layers: number) {
    this.#config = config;
    this.#width = config.kvHeads * config.headDim;
    this.#keys = Array.from({ length: layers }, () => new Float32Array(0));
    this.#values = Array.from({ length: layers }, () => new Float32Array(0));
  }

  get bytes(): number {
    return this.capacity * this.#width * this.#keys.length * 2 * Float32Array.BYTES_PER_ELEMENT;
  }

  /** Makes room for `positions` in all. Throws context_length_exceeded. */
  reserve(positions: number): void {
    const { context } = this.#config;
    if (positions > context)
      throw new EngineError('context_length_exceeded', { positions, context });
    if (positions <= this.capacity) return;
    const steps = Math.ceil(positions / CAPACITY_STEP);
    const capacity = Math.min(context, steps * CAPACITY_STEP);
    const grow = (old: Float32Array): Float32Array => {
      const grown = new Float32Array(capacity * this.#width);
      grown.set(old.subarray(0, this.length * this.#width));
      return grown;
    };
    // Layer by layer, so that the old and the new buffer of only one layer exist at a time.
    for (let l = 0; l < this.#keys.length; l++) {
      this.#keys[l] = grow(this.#keys[l]!);
      this.#values[l] = grow(this.#values[l]!);
    }
    this.capacity = capacity;
  }

  /**
   * Views of the valid positions of a layer (counted from the stage's first). An empty past is one
   * position that the caller masks: the kernels can't take none.
   */
  past(layer: number): Past {
    const { kvHeads, headDim } = this.#config;
    const length = Math.max(1, this.length);
    const dims = [length, kvHeads, 1, headDim];
    const view = (all: Float32Array) =>
      new Tensor('float32', all.subarray(0, length * this.#width), dims);
    return { keys: view(this.#keys[layer]!), values: view(this.#values[layer]!) };
  }

  /** Puts K and V [count, kvHeads, headDim] of new positions behind the past of a layer. */
  write(layer: number, keys: Float32Array, values: Float32Array): void {
    this.#keys[layer]!.set(keys, this.length * this.#width);
    this.#values[layer]!.set(values, this.length * this.#width);
  }

  /** Makes `count` positions that `write` filled in every layer part of the past. */
  advance(count: number): void {
    this.length += count;
  }

  /** Forgets the positions from `length` on. */
  truncate(length: number): void {
    this.length = Math.min(this.length, length);
  }

  /** Drops the buffers at once instead of when the sequence is collected. */
  free(): void {
    this.#keys = this.#keys.map(() => new Float32Array(0));
    this.#values = this.#values.map(() => new Float32Array(0));
    this.capacity = 0;
    this.length = 0;
  }
}
