/**
 * The KV memory of a stage: admits a sequence only when all that it may grow to has room, and keeps the
 * caches of ended ones, as long as nobody needs their memory, for prompts that begin like theirs.
 *
 * Only whole prefill chunks are taken over from another sequence. Their bits are those that the new
 * sequence would have computed itself, so an answer does not depend on what was served before.
 */
import type { ModelConfig } from '@blyan/model/config';
import { EngineError } from './errors.ts';
import { capacityFor, type KvCache } from './kv-cache.ts';
import { wholeChunks } from './prefill-chunks.ts';

/** Searching them is linear in number and length; a worker has few conversations at a time. */
const MAX_KEPT = 64;

export interface KvMemoryOptions {
  config: ModelConfig;
  /** All that the caches may take. */
  bytes: number;
  bytesPerPosition: number;
}

/** The memory of one sequence. */
export interface KvLease {
  readonly cache: KvCache;
  /** What a prefill reads: prompt, and tokens of earlier attempts. */
  readonly prefix: readonly number[];
  /** Positions that were there at the start. */
  readonly reused: number;
}

interface Kept {
  prefix: readonly number[];
  cache: KvCache;
}

export class KvMemory {
  readonly #options: KvMemoryOptions;
  readonly #create: () => KvCache;
  /** Running sequences, with what each may take. */
  readonly #leases = new Map<KvLease, number>();
  /** Of ended sequences, the longest unused first; each cache holds exactly its prefix. */
  readonly #kept: Kept[] = [];

  constructor(options: KvMemoryOptions, create: () => KvCache) {
    this.#options = options;
    this.#create = create;
  }

  /** Bytes that are promised or kept. */
  get bytes(): number {
    return this.#promised + this.#kept.reduce((sum, { cache }) => sum + cache.bytes, 0);
  }

  get #promised(): number {
    return [...this.#leases.values()].reduce((a, b) => a + b, 0);
  }

  /** @throws EngineError KV_MEMORY_TOO_SMALL: so many positions have no room here, ever */
  check(positions: number): void {
    const { bytes } = this.#options;
    const needed = this.#needed(positions);
    if (needed <= bytes) return;
    throw new EngineError(
      'KV_MEMORY_TOO_SMALL',
      { positions, needed, bytes },
      `Prompt and answer may have ${positions} positions, which take ${mebibytes(needed)} MiB of KV memory; this worker has ${mebibytes(bytes)} MiB.`,
    );
  }

  /**
   * @param positions that the sequence may have at its end
   * @returns null while running sequences may need the memory
   * @throws EngineError KV_MEMORY_UNAVAILABLE: nothing is leased then
   */
  lease(prefix: readonly number[], positions: number): KvLease | null {
    const needed = this.#needed(positions);
    if (this.#promised + needed > this.#options.bytes) return null;
    const { cache, reused } = this.#begin(prefix, needed);
    const lease = { cache, prefix, reused };
    this.#leases.set(lease, needed);
    this.#evict();
    return lease;
  }

  #needed(positions: number): number {
    const { config, bytesPerPosition } = this.#options;
    return capacityFor(positions, config.context) * bytesPerPosition;
  }

  /** The sequence has ended: keeps what another may begin with, and frees the rest at once. */
  release(lease: KvLease): void {
    if (!this.#leases.delete(lease)) return;
    const { cache, prefix } = lease;
    const whole = this.#whole(lease);
    cache.shrink(whole);
    if (whole === 0) return;
    const kept = { prefix: prefix.slice(0, whole), cache };
    if (this.#kept.some((other) => common(other.prefix, kept.prefix) === whole)) {
      cache.free();
      return;
    }
    // What this one begins with is in it.
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const other = this.#kept[i]!;
      if (common(other.prefix, kept.prefix) === other.prefix.length) this.#drop(i);
    }
    this.#kept.push(kept);
    this.#evict();
  }

  /** Frees all that is kept. */
  clear(): void {
    while (this.#kept.length > 0) this.#drop(0);
  }

  #begin(prefix: readonly number[], needed: number): { cache: KvCache; reused: number } {
    const { source, kept, reused } = this.#longest(prefix);
    if (kept) {
      this.#kept.splice(this.#kept.indexOf(kept), 1);
      const fitsBeside = this.#promised + needed + kept.cache.bytes <= this.#options.bytes;
      // A conversation that goes on takes its cache along; another branch leaves it to others, if it can.
      if (reused === kept.prefix.length || !fitsBeside) {
        kept.cache.shrink(reused);
        return { cache: kept.cache, reused };
      }
      this.#kept.push(kept);
    }
    // Before the copy: each stage of a pipeline holds to its budget at once.
    this.#evict(needed);
    const cache = this.#create();
    if (source) cache.copyFrom(source, reused);
    return { cache, reused };
  }

  /** What has the most whole chunks of a prefix: the cache of a running sequence, or one that is kept. */
  #longest(prefix: readonly number[]) {
    const { config } = this.#options;
    // The last token is always read: its logits are what the answer begins with.
    const usable = (other: readonly number[], valid: number) =>
      wholeChunks(config, Math.min(common(other, prefix), valid, prefix.length - 1));
    let reused = 0;
    let source: KvCache | null = null;
    let kept: Kept | null = null;
    for (const lease of this.#leases.keys()) {
      const length = usable(lease.prefix, this.#whole(lease));
      if (length > reused) [reused, source] = [length, lease.cache];
    }
    for (const entry of this.#kept) {
      if (!entry.cache.valid) continue;
      const length = usable(entry.prefix, entry.prefix.length);
      if (length > 0 && length >= reused) [reused, source, kept] = [length, entry.cache, entry];
    }
    return { source, kept, reused };
  }

  /** Positions of a running sequence that another may take over. */
  #whole({ cache, prefix }: KvLease): number {
    if (!cache.valid) return 0;
    return wholeChunks(this.#options.config, Math.min(cache.length, prefix.length));
  }

  /** @param bytes that are to have room beside all that is promised and kept */
  #evict(bytes = 0): void {
    const over = () => this.bytes + bytes > this.#options.bytes;
    while (this.#kept.length > MAX_KEPT || (this.#kept.length > 0 && over())) this.#drop(0);
  }

  #drop(index: number): void {
    const [entry] = this.#kept.splice(index, 1);
    entry?.cache.free();
  }
}

/** Length of the common beginning. */
function common(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
