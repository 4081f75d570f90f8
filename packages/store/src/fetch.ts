/**
 * Brings one blob into the store. The leaf list is checked against the root once, then every chunk is
 * checked as it arrives; a bad chunk is fetched again, from another source if there is one.
 */
import type { Hash } from '@blyan/chain/types';
import { type BlobStore, isLeafList } from './blob-store.ts';
import { StoreError } from './errors.ts';
import { chunkLength, HASH_BYTES, leafCount, rootHex } from './layout.ts';
import { type PoolOptions, readChunkFrom, SourcePool } from './source-pool.ts';

export type { BlobSource } from './source.ts';

/** Requests in flight for one blob: enough to fill a line with some latency, few enough for a small server. */
const CONCURRENCY = 4;
/** Chunks of one request: long enough to amortize it, short enough to share out among sources. */
const RUN_CHUNKS = 32;

export interface BlobRef {
  root: Hash | string;
  byteLength: number;
}

export interface FetchDeps extends PoolOptions {
  store: BlobStore;
  /** Verified bytes so far. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined;
  concurrency?: number | undefined;
}

export async function fetchBlob(blob: BlobRef, deps: FetchDeps): Promise<void> {
  const root = rootHex(blob.root);
  const { byteLength } = blob;
  const { store, signal } = deps;
  signal?.throwIfAborted();
  if ((await store.stat(root))?.byteLength === byteLength) return;
  const pool = new SourcePool(root, deps);
  const leaves = await fetchLeaves(root, byteLength, pool);
  await using partial = await store.resume(root, byteLength, leaves, signal);
  const queue = partial.missing();
  let done = byteLength - queue.reduce((sum, i) => sum + chunkLength(byteLength, i), 0);
  const landed = async (index: number, bytes: Uint8Array) => {
    await partial.writeChunk(index, bytes);
    done += bytes.length;
    deps.onProgress?.({ done, total: byteLength });
  };
  deps.onProgress?.({ done, total: byteLength });
  await drain(queue, { pool, byteLength, landed, concurrency: deps.concurrency ?? CONCURRENCY });
  await partial.finish();
}

/** A list of leaf hashes that adds up to the root, from the first source that has one. */
export async function fetchLeaves(
  root: string,
  byteLength: number,
  pool: SourcePool,
): Promise<Uint8Array> {
  const maxBytes = leafCount(byteLength) * HASH_BYTES;
  return await pool.try('leaves', async (source, signal) => {
    const list = await source.leaves(root, { maxBytes, signal });
    if (list.length === maxBytes && isLeafList(root, list)) return list;
    pool.lied(source, null);
    throw new StoreError(
      'LEAVES_CORRUPT',
      `${source.name} sent leaf hashes that do not match ${root}`,
      {
        root,
        source: source.name,
      },
    );
  });
}

interface Drain {
  pool: SourcePool;
  byteLength: number;
  landed(index: number, bytes: Uint8Array): Promise<void>;
  concurrency: number;
}

/** Workers take runs of neighbouring chunks from one queue; what a run did not bring goes back. */
async function drain(queue: number[], job: Drain): Promise<void> {
  // The first failure stops the other workers instead of leaving them in the background.
  const failed = new AbortController();
  const worker = async () => {
    while (queue.length > 0 && !failed.signal.aborted) {
      const run = takeRun(queue);
      try {
        await fetchRun(run, job, failed.signal);
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.max(1, job.concurrency) }, worker);
  for (const result of await Promise.allSettled(workers)) {
    if (result.status === 'rejected') throw failed.signal.reason ?? result.reason;
  }
}

function takeRun(queue: number[]): number[] {
  const first = queue[0] ?? 0;
  let length = 1;
  while (length < RUN_CHUNKS && queue[length] === first + length) length++;
  return queue.splice(0, length);
}

async function fetchRun(run: number[], job: Drain, stop: AbortSignal): Promise<void> {
  let rest = run;
  const bad: number[] = [];
  // Each round reads one range from one source, up to its first failure; the pool decides how often.
  while (rest.length > 0) {
    rest = await job.pool.try(
      `chunk ${rest[0]}`,
      async (source, signal) => {
        let at = 0;
        const range = { first: rest[0] ?? 0, count: rest.length, byteLength: job.byteLength };
        try {
          for await (const bytes of readChunkFrom(source, job.pool.root, range, signal)) {
            const index = rest[at] ?? 0;
            at++;
            try {
              await job.landed(index, bytes);
              job.pool.good(source);
            } catch (error) {
              if (!(error instanceof StoreError) || error.code !== 'CHUNK_CORRUPT') throw error;
              job.pool.lied(source, index);
              bad.push(index);
            }
          }
        } catch (error) {
          // What came before the cut is kept; only a read without any progress counts as a failure.
          if (at === 0 || !(error instanceof StoreError) || error.code.startsWith('DISK'))
            throw error;
        }
        return rest.slice(at);
      },
      stop,
    );
  }
  for (const index of bad) await refetch(index, job, stop);
}

/** One chunk by itself, from a source that has not yet sent a wrong one if there is any. */
async function refetch(index: number, job: Drain, stop: AbortSignal): Promise<void> {
  await job.pool.try(
    `chunk ${index}`,
    async (source, signal) => {
      const range = { first: index, count: 1, byteLength: job.byteLength };
      for await (const bytes of readChunkFrom(source, job.pool.root, range, signal)) {
        try {
          await job.landed(index, bytes);
        } catch (error) {
          if (error instanceof StoreError && error.code === 'CHUNK_CORRUPT')
            job.pool.lied(source, index);
          throw error;
        }
      }
    },
    stop,
    index,
  );
}

/** Bytes of one verified chunk, for a repair. */
export async function fetchChunk(
  index: number,
  byteLength: number,
  pool: SourcePool,
  check: (bytes: Uint8Array) => boolean,
): Promise<{ bytes: Uint8Array; source: string }> {
  return await pool.try(
    `chunk ${index}`,
    async (source, signal) => {
      const range = { first: index, count: 1, byteLength };
      for await (const bytes of readChunkFrom(source, pool.root, range, signal)) {
        if (check(bytes)) return { bytes, source: source.name };
      }
      pool.lied(source, index);
      throw new StoreError('CHUNK_CORRUPT', `${source.name} sent a wrong chunk ${index}`, {
        root: pool.root,
        chunk: index,
        source: source.name,
      });
    },
    undefined,
    index,
  );
}
