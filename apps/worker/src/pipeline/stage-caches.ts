/** The KV caches of a stage that is not the head. The head numbers them, and says when one can go. */
import type { ModelConfig } from '@blyan/model/config';
import { capacityFor, type KvCache } from '../engine/kv-cache.ts';
import { StageError } from './errors.ts';

/** Running sequences and kept ones; the head keeps 64 at most (kv-memory.ts) and runs 256. */
const MAX_CACHES = 512;

export interface StageCachesOptions {
  config: ModelConfig;
  /** All that the caches may take. */
  bytes: number;
  bytesPerPosition: number;
}

export class StageCaches {
  readonly #options: StageCachesOptions;
  readonly #create: () => KvCache;
  readonly #caches = new Map<number, KvCache>();

  constructor(options: StageCachesOptions, create: () => KvCache) {
    this.#options = options;
    this.#create = create;
  }

  /** Positions that all caches together have room for. */
  get positions(): number {
    const { bytes, bytesPerPosition } = this.#options;
    return Math.floor(bytes / bytesPerPosition);
  }

  get bytes(): number {
    let sum = 0;
    for (const cache of this.#caches.values()) sum += cache.bytes;
    return sum;
  }

  get size(): number {
    return this.#caches.size;
  }

  /**
   * The cache for new positions from `position` on. What it has behind that is forgotten: those were
   * guesses that the head did not take.
   * @throws StageError STAGE_ORDER for a gap; STAGE_MEMORY
   */
  at(number: number, position: number, count: number): KvCache {
    let cache = this.#caches.get(number);
    const length = cache?.length ?? 0;
    if (position > length) {
      const text = `positions from ${position} on of cache ${number}, which has ${length}`;
      throw new StageError('STAGE_ORDER', 0, text);
    }
    if (position + count > this.#options.config.context) {
      throw new StageError('STAGE_ORDER', 0, `position ${position + count} is behind the context`);
    }
    if (!cache) {
      if (this.#caches.size >= MAX_CACHES) {
        throw new StageError('STAGE_MEMORY', 0, `more than ${MAX_CACHES} caches`);
      }
      cache = this.#create();
      this.#caches.set(number, cache);
    }
    cache.truncate(position);
    this.#reserve(cache, position + count);
    return cache;
  }

  /** `to` begins with the first `length` positions of `from`. @throws StageError as `at` */
  copy(from: number, to: number, length: number): void {
    const source = this.#caches.get(from);
    if (!source || source.length < length) {
      const text = `a copy of ${length} positions of cache ${from}, which has ${source?.length ?? 0}`;
      throw new StageError('STAGE_ORDER', 0, text);
    }
    this.keep(to, 0);
    this.at(to, 0, length).copyFrom(source, length);
  }

  /** Shrinks a cache; to no positions frees it. An unknown one is no news: it never had a position. */
  keep(number: number, length: number): void {
    const cache = this.#caches.get(number);
    if (length > 0) cache?.shrink(length);
    else {
      cache?.free();
      this.#caches.delete(number);
    }
  }

  clear(): void {
    for (const cache of this.#caches.values()) cache.free();
    this.#caches.clear();
  }

  #reserve(cache: KvCache, positions: number): void {
    if (positions <= cache.capacity) return;
    const { config, bytes, bytesPerPosition } = this.#options;
    const needed = capacityFor(positions, config.context) * bytesPerPosition;
    const total = this.bytes - cache.bytes + needed;
    if (total > bytes) {
      throw new StageError('STAGE_MEMORY', 0, `${total} bytes of KV caches, of ${bytes}`);
    }
    cache.reserve(positions);
  }
}
