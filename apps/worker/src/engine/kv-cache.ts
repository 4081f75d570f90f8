/**
 * K and V of one sequence, owned by us and lent to the session at each run. Position-major,
 * [capacity, kvHeads, headDim] per layer, so that the past is a view of the front and a new position is
 * one copy. Buffers have addresses for the whole context and memory for what is filled, so they grow and
 * shrink where they are. In steps, because each takes a call for every layer.
 */
import type { ModelConfig } from '@blyan/model/config';
import type { KvType } from '@blyan/model/stage/attention-io';
import { Tensor } from 'onnxruntime-node';
import { EngineError } from './errors.ts';

/** Positions per step: 56 MiB for the 0.6B shape, filled within seconds by a running sequence. */
export const CAPACITY_STEP = 256;

/** f16 crosses to the runtime as its bits. */
type Numbers = Float32Array | Uint16Array;

/** Views of one layer, [positions, kvHeads, 1, headDim] each. */
export interface KeysValues {
  keys: Tensor;
  values: Tensor;
}

/** Bytes of K and V of one position. */
export const kvBytesPerPosition = (config: ModelConfig, layers: number, kv: KvType): number =>
  2 * layers * config.kvHeads * config.headDim * (kv === 'f16' ? 2 : 4);

export class KvCache {
  /** Valid positions. */
  length = 0;
  capacity = 0;
  readonly kv: KvType;
  readonly #config: ModelConfig;
  /** Numbers per position and layer, of K and of V. */
  readonly #width: number;
  /** As long as their buffers, whatever those are resized to. */
  readonly #keys: Numbers[];
  readonly #values: Numbers[];

  /**
   * Memory is taken at the first `reserve`, addresses for the whole context now.
   * @param layers how many the stage holds
   * @throws EngineError KV_MEMORY_UNAVAILABLE
   */
  constructor(config: ModelConfig, layers: number, kv: KvType) {
    this.#config = config;
    this.kv = kv;
    this.#width = config.kvHeads * config.headDim;
    const create = (): Numbers => {
      const maxByteLength = config.context * this.#positionBytes;
      const buffer = allocated(maxByteLength, () => new ArrayBuffer(0, { maxByteLength }));
      return kv === 'f16' ? new Uint16Array(buffer) : new Float32Array(buffer);
    };
    this.#keys = Array.from({ length: layers }, create);
    this.#values = Array.from({ length: layers }, create);
  }

  /** Of K or of V of one layer. */
  get #positionBytes(): number {
    return this.#width * (this.kv === 'f16' ? 2 : 4);
  }

  #resize(capacity: number): void {
    const bytes = capacity * this.#positionBytes;
    for (const { buffer } of [...this.#keys, ...this.#values]) {
      allocated(bytes, () => (buffer as ArrayBuffer).resize(bytes));
    }
    this.capacity = capacity;
  }

  /** Whether its positions can be gone on with. */
  get valid(): boolean {
    return true;
  }

  get bytes(): number {
    return this.capacity * kvBytesPerPosition(this.#config, this.#keys.length, this.kv);
  }

  /** Makes room for `positions` in all. @throws EngineError context_length_exceeded, KV_MEMORY_UNAVAILABLE */
  reserve(positions: number): void {
    const { context } = this.#config;
    if (positions > context)
      throw new EngineError('context_length_exceeded', { positions, context });
    if (positions <= this.capacity) return;
    this.#resize(capacityFor(positions, context));
  }

  /**
   * Views of positions `from` to `to` of a layer (counted from the stage's first). The kernels can't
   * take none: with `atLeastOne` an empty view has one position, which the caller masks.
   */
  view(layer: number, from: number, to: number, atLeastOne = false): KeysValues {
    const { kvHeads, headDim } = this.#config;
    const end = atLeastOne ? Math.max(to, from + 1) : to;
    const dims = [end - from, kvHeads, 1, headDim];
    const type = this.kv === 'f16' ? 'float16' : 'float32';
    const part = (all: Numbers) =>
      new Tensor(type, all.subarray(from * this.#width, end * this.#width), dims);
    return { keys: part(this.#keys[layer]!), values: part(this.#values[layer]!) };
  }

  /**
   * Puts K and V of new positions behind the past of a layer.
   * @param keys,values [rows, kvHeads, headDim] of a whole run, of which `count` rows from `row` on are ours
   */
  write(layer: number, keys: Numbers, values: Numbers, row: number, count: number): void {
    const from = row * this.#width;
    const to = from + count * this.#width;
    this.#keys[layer]!.set(keys.subarray(from, to), this.length * this.#width);
    this.#values[layer]!.set(values.subarray(from, to), this.length * this.#width);
  }

  /** Makes `count` positions that `write` filled in every layer part of the past. */
  advance(count: number): void {
    this.length += count;
  }

  /** Forgets the positions from `length` on. */
  truncate(length: number): void {
    this.length = Math.min(this.length, length);
  }

  /** Takes over the first `length` positions of another cache of the same stage. */
  copyFrom(other: KvCache, length: number): void {
    this.reserve(length);
    const count = length * this.#width;
    for (let l = 0; l < this.#keys.length; l++) {
      this.#keys[l]!.set(other.#keys[l]!.subarray(0, count));
      this.#values[l]!.set(other.#values[l]!.subarray(0, count));
    }
    this.length = length;
  }

  /** Forgets the positions from `length` on, and gives back what they took. */
  shrink(length: number): void {
    this.truncate(length);
    const capacity = capacityFor(this.length, this.#config.context);
    if (capacity < this.capacity) this.#resize(capacity);
  }

  /** Drops the buffers at once instead of when the sequence is collected. */
  free(): void {
    this.#resize(0);
    this.length = 0;
  }
}

/** Positions that a cache takes memory for when it must hold `positions`. */
export const capacityFor = (positions: number, context: number): number =>
  Math.min(context, Math.ceil(positions / CAPACITY_STEP) * CAPACITY_STEP);

/** What the system refuses, it refuses with a RangeError; one sequence ends then, and the engine goes on. */
function allocated<T>(bytes: number, allocate: () => T): T {
  try {
    return allocate();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new EngineError(
      'KV_MEMORY_UNAVAILABLE',
      { bytes },
      `The system has no ${bytes} bytes for a KV cache: ${cause.message}`,
      cause,
    );
  }
}
