/** Which source to ask next, how often, and when to give up. One pool lives as long as one download. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LEAF_SIZE } from '@blyan/chain/merkle';
import { StoreError } from './errors.ts';
import { chunkLength } from './layout.ts';
import type { BlobSource } from './source.ts';

/** Tries of one source in a row without any verified byte. A server that restarts needs a few seconds. */
const MAX_FAILURES = 5;
/** Tries of one piece, besides a first one of each source. */
const MAX_TRIES = 12;
/** A source that failed is asked for other blobs only when no other has them, for so long. */
const TROUBLE_MS = 60_000;
const BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2000;

/** Monotonic ms of their last failures. Pools live as long as one blob; a dead source is found out once. */
const troubled = new WeakMap<BlobSource, number>();

interface State {
  source: BlobSource;
  failures: number;
  last: unknown;
  /** Chunks of which this source sent wrong bytes, and how often. */
  lies: Map<number, number>;
}

/** Bytes that are not what was asked for. */
export interface WrongBytes {
  /** Name of the source. */
  source: string;
  /** Hex. */
  root: string;
  /** null: the list of leaf hashes. */
  chunk: number | null;
}

export interface PoolOptions {
  sources: readonly BlobSource[];
  signal?: AbortSignal | undefined;
  /** A source sent wrong bytes; others are asked for them. */
  onWrong?: ((wrong: WrongBytes) => void) | undefined;
}

export class SourcePool {
  readonly root: string;
  readonly #states: State[];
  readonly #signal: AbortSignal | undefined;
  readonly #onWrong: PoolOptions['onWrong'];
  #turn = 0;

  constructor(root: string, { sources, signal, onWrong }: PoolOptions) {
    this.root = root;
    this.#signal = signal;
    this.#onWrong = onWrong;
    this.#states = sources.map((source) => ({ source, failures: 0, last: null, lies: new Map() }));
  }

  /** The source brought verified bytes. */
  good(source: BlobSource): void {
    const state = this.#state(source);
    if (state) state.failures = 0;
    troubled.delete(source);
  }

  lied(source: BlobSource, chunk: number | null): void {
    this.#onWrong?.({ source: source.name, root: this.root, chunk });
    if (chunk === null) return;
    const lies = this.#state(source)?.lies;
    lies?.set(chunk, (lies.get(chunk) ?? 0) + 1);
  }

  /**
   * Runs `attempt` against one source after the other until it succeeds. Throws BLOB_MISSING when
   * every source says so, else SOURCES_EXHAUSTED (or CHUNK_CORRUPT when the last failure was that).
   */
  async try<T>(
    what: string,
    attempt: (source: BlobSource, signal: AbortSignal | undefined) => Promise<T>,
    stop?: AbortSignal,
    chunk?: number,
  ): Promise<T> {
    const signals = [this.#signal, stop].filter((s) => s !== undefined);
    const signal = signals.length > 0 ? AbortSignal.any(signals) : undefined;
    for (let tries = 0; tries < MAX_TRIES + this.#states.length; tries++) {
      signal?.throwIfAborted();
      const state = this.#next(chunk);
      if (state === null) break;
      try {
        const result = await attempt(state.source, signal);
        state.failures = 0;
        return result;
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!(error instanceof StoreError) || error.code.startsWith('DISK_')) throw error;
        state.last = error;
        // Asking again does not bring what is not there.
        const missing = error.code === 'BLOB_MISSING';
        state.failures = missing ? MAX_FAILURES : state.failures + 1;
        if (!missing) troubled.set(state.source, performance.now());
      }
      const soonest = Math.min(...this.#states.map((s) => s.failures));
      if (soonest > 0 && soonest < MAX_FAILURES) {
        await sleep(Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (soonest - 1)), undefined, {
          signal,
        });
      }
    }
    throw this.#exhausted(what, chunk);
  }

  #state(source: BlobSource): State | undefined {
    return this.#states.find((s) => s.source === source);
  }

  /** Fewest lies about this chunk, then fewest failures, then those without trouble lately, then in turn. */
  #next(chunk: number | undefined): State | null {
    const usable = this.#states.filter((s) => s.failures < MAX_FAILURES);
    if (usable.length === 0) return null;
    const lies = (s: State) => (chunk === undefined ? s.lies.size : (s.lies.get(chunk) ?? 0));
    // The first source goes first, then each in turn.
    const count = this.#states.length;
    const turn = this.#turn++ % count;
    const order = (s: State) => (this.#states.indexOf(s) + count - turn) % count;
    const since = performance.now() - TROUBLE_MS;
    const trouble = ({ source }: State) => Number((troubled.get(source) ?? since) > since);
    usable.sort(
      (a, b) =>
        lies(a) - lies(b) ||
        a.failures - b.failures ||
        trouble(a) - trouble(b) ||
        order(a) - order(b),
    );
    return usable[0] ?? null;
  }

  #exhausted(what: string, chunk: number | undefined): StoreError {
    const errors = this.#states.map((s) => s.last).filter((e) => e instanceof StoreError);
    const sources = this.#states.map((s) => ({
      source: s.source.name,
      code: s.last instanceof StoreError ? s.last.code : null,
    }));
    const details = { root: this.root, ...(chunk === undefined ? {} : { chunk }), sources };
    const all = (code: string) => errors.every((e) => e.code === code);
    if (all('BLOB_MISSING')) {
      const message =
        sources.length === 0
          ? `blob ${this.root} is not here and there is no source to fetch it from`
          : `no source has blob ${this.root} (asked ${sources.map((s) => s.source).join(', ')})`;
      return new StoreError('BLOB_MISSING', message, details);
    }
    const reasons = errors.map((e) => e.message).join('; ');
    const code = all('CHUNK_CORRUPT') ? 'CHUNK_CORRUPT' : 'SOURCES_EXHAUSTED';
    return new StoreError(code, `cannot fetch ${what} of blob ${this.root}: ${reasons}`, details);
  }
}

/** Cuts the stream of one range into chunks. A buffer is reused: use it before asking for the next. */
export async function* readChunkFrom(
  source: BlobSource,
  root: string,
  range: { first: number; count: number; byteLength: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { first, count, byteLength } = range;
  const start = first * LEAF_SIZE;
  const end = Math.min(byteLength, (first + count) * LEAF_SIZE);
  const buffer = new Uint8Array(chunkLength(byteLength, first));
  let index = first;
  let filled = 0;
  if (start === end) {
    // The empty blob: nothing to ask for, one empty chunk to check.
    yield buffer;
    return;
  }
  const options = signal === undefined ? { start, end } : { start, end, signal };
  for await (const bytes of source.read(root, options)) {
    let at = 0;
    while (at < bytes.length && index < first + count) {
      const length = chunkLength(byteLength, index);
      const take = Math.min(length - filled, bytes.length - at);
      buffer.set(bytes.subarray(at, at + take), filled);
      filled += take;
      at += take;
      if (filled === length) {
        yield buffer.subarray(0, length);
        index++;
        filled = 0;
      }
    }
  }
  if (index < first + count) {
    throw new StoreError('SOURCE_FAILED', `${source.name} sent fewer bytes than asked`, {
      source: source.name,
    });
  }
}
