/**
 * From the store into memory, verified: the way by which weights reach a stage. Local bytes first; a
 * bad chunk is fetched again and repaired in the store; what cannot be had is an error that names
 * chain, height, tensor and chunk. There is no way around the check.
 */
import { ChainError } from '@blyan/chain/errors';
import { type VerifiedFile, verifyFile } from '@blyan/chain/file';
import { LEAF_SIZE, leafHashes } from '@blyan/chain/merkle';
import { tensorOf, type VerifiedTensor, verifyTensor } from '@blyan/chain/tensor';
import type { Hash, StoredFile } from '@blyan/chain/types';
import { blockOfFile, type VerifiedBlock } from '@blyan/chain/verify';
import type { VerifyThread } from '@blyan/chain/verify-thread';
import type { BlobStore } from './blob-store.ts';
import { StoreError } from './errors.ts';
import { type FetchDeps, fetchBlob, fetchChunk, fetchLeaves } from './fetch.ts';
import { chunkLength, leafCount, rootHex } from './layout.ts';
import { isChunk } from './partial-blob.ts';
import { SourcePool } from './source-pool.ts';

/** Something was wrong on disk and has been put right. */
export interface Healed {
  /** Hex. */
  root: string;
  /** Name of the tensor, or path of the file. */
  tensor: string;
  chunk: number;
  /** Name of the source that the chunk came from; null when the right bytes were at hand. */
  source: string | null;
}

export interface LoadDeps extends FetchDeps {
  /** Reads and hashes tensors; what is damaged or missing is dealt with by the caller's thread. */
  thread?: VerifyThread | undefined;
  onHealed?: ((healed: Healed) => void) | undefined;
}

/** What an error names, as far as it is known. */
interface Where {
  chain?: string | undefined;
  height?: number | undefined;
  tensor: string;
}

interface Wanted<T> {
  root: Hash;
  byteLength: number;
  /** In a buffer that `VerifiedTensor.release` can give back; not every reader of text takes one. */
  releasable: boolean;
  where: Where;
  /** Hashes the buffer in place; throws ChainError. */
  verify(bytes: Uint8Array, leaves: Uint8Array | undefined): T;
}

/**
 * One tensor of a layer block.
 * @throws StoreError BLOB_MISSING, CHUNK_CORRUPT, LEAVES_CORRUPT, SOURCES_EXHAUSTED, OUT_OF_MEMORY, DISK_*
 * @throws ChainError TENSOR_UNKNOWN
 */
export async function loadTensor(
  { block, name }: { block: VerifiedBlock<'layer'>; name: string },
  deps: LoadDeps,
): Promise<VerifiedTensor> {
  const { root, byteLength } = tensorOf(block, name);
  deps.signal?.throwIfAborted();
  const files = deps.store.files(root);
  const verified = await deps.thread?.load({ block, tensor: name, files });
  if (verified) return verified;
  return await load(
    {
      root,
      byteLength,
      releasable: true,
      where: { chain: block.chain, height: block.height, tensor: name },
      verify: (bytes, leaves) =>
        verifyTensor({ block, tensor: name, bytes, ...(leaves ? { leaves } : {}) }),
    },
    deps,
  );
}

/** One file of a model block: `file` is the very object of its body. Throws as `loadTensor`. */
export async function loadFile(file: StoredFile, deps: LoadDeps): Promise<VerifiedFile> {
  const { root, byteLength, path } = file;
  const block = blockOfFile(file);
  const where = { chain: block?.chain, height: block?.height, tensor: path };
  const verify = (bytes: Uint8Array) => verifyFile(file, bytes);
  return await load({ root, byteLength, releasable: false, where, verify }, deps);
}

async function load<T>(wanted: Wanted<T>, deps: LoadDeps): Promise<T> {
  const { root, byteLength } = wanted;
  const { store, signal } = deps;
  signal?.throwIfAborted();
  const bytes = allocate(wanted);
  if (!(await store.has(root))) {
    await naming(wanted.where, () => fetchBlob({ root, byteLength }, deps));
  }
  const leaves = await leavesOf(wanted, deps);
  await store.readAvailable(root, bytes, signal);
  signal?.throwIfAborted();
  let result: T;
  try {
    result = wanted.verify(bytes, leaves);
  } catch (error) {
    if (!(error instanceof ChainError) || !error.retry) throw error;
    await heal(wanted, bytes, leaves, error, deps);
    result = wanted.verify(bytes, leaves);
  }
  await mend(wanted, bytes, leaves, deps);
  return result;
}

/** Memory of its own. */
function allocate({ byteLength, releasable, where, root }: Wanted<unknown>): Uint8Array {
  try {
    const options = releasable ? { maxByteLength: byteLength } : undefined;
    return new Uint8Array(new ArrayBuffer(byteLength, options), 0, byteLength);
  } catch (error) {
    throw new StoreError(
      'OUT_OF_MEMORY',
      `${place(where)} needs ${byteLength} bytes of memory in one piece`,
      { ...where, root: rootHex(root), byteLength },
      error,
    );
  }
}

/** The checked leaf list; undefined when it is damaged and no source has it. */
async function leavesOf(wanted: Wanted<unknown>, deps: LoadDeps): Promise<Uint8Array | undefined> {
  const hex = rootHex(wanted.root);
  try {
    return await deps.store.leaves(hex);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'LEAVES_CORRUPT') throw error;
  }
  if (deps.sources.length === 0) return undefined;
  try {
    const pool = new SourcePool(hex, deps);
    const leaves = await fetchLeaves(hex, wanted.byteLength, pool);
    await deps.store.repairLeaves(hex, leaves);
    return leaves;
  } catch (error) {
    // The bytes may still be right; without a list, only the whole can be judged.
    if (error instanceof StoreError && !error.code.startsWith('DISK')) return undefined;
    throw error;
  }
}

/** Replaces every bad chunk in memory and on disk, or throws what names the first that it could not. */
async function heal(
  { root, byteLength, where }: Wanted<unknown>,
  bytes: Uint8Array,
  leaves: Uint8Array | undefined,
  reason: ChainError,
  deps: LoadDeps,
): Promise<void> {
  const hex = rootHex(root);
  if (leaves === undefined) {
    const message = `${place(where)} is damaged on disk, and so is the list that would tell where`;
    throw new StoreError('LEAVES_CORRUPT', message, { ...where, root: hex }, reason);
  }
  const pool = new SourcePool(hex, deps);
  for (let chunk = 0; chunk < leafCount(byteLength); chunk++) {
    deps.signal?.throwIfAborted();
    const start = chunk * LEAF_SIZE;
    const own = bytes.subarray(start, start + chunkLength(byteLength, chunk));
    if (isChunk(leaves, byteLength, chunk, own)) continue;
    if (deps.sources.length === 0)
      throw damaged(where, hex, chunk, 'there is no other source', reason);
    let fresh: { bytes: Uint8Array; source: string };
    try {
      fresh = await fetchChunk(chunk, byteLength, pool, (b) =>
        isChunk(leaves, byteLength, chunk, b),
      );
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      throw damaged(where, hex, chunk, error.message, error);
    }
    own.set(fresh.bytes);
    await deps.store.repairChunk(hex, chunk, fresh.bytes);
    deps.onHealed?.({ root: hex, tensor: where.tensor, chunk, source: fresh.source });
  }
}

/** Puts right on disk what did not matter in memory: a lost leaf list, bytes behind the end. */
async function mend(
  { root, byteLength, where }: Wanted<unknown>,
  bytes: Uint8Array,
  leaves: Uint8Array | undefined,
  { store, onHealed }: { store: BlobStore; onHealed?: LoadDeps['onHealed'] },
): Promise<void> {
  if (leaves === undefined) await store.repairLeaves(root, leafHashes(bytes));
  const onDisk = await store.stat(root);
  if (onDisk === null || onDisk.byteLength === byteLength) return;
  const chunk = leafCount(byteLength) - 1;
  await store.repairChunk(root, chunk, bytes.subarray(chunk * LEAF_SIZE));
  onHealed?.({ root: rootHex(root), tensor: where.tensor, chunk, source: null });
}

async function naming(where: Where, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { code, details, message } = error;
    throw new StoreError(code, `${place(where)}: ${message}`, { ...details, ...where }, error);
  }
}

function place({ chain, height, tensor }: Where): string {
  const block = chain === undefined ? '' : ` of block ${height} on chain ${chain}`;
  return `${tensor}${block}`;
}

const damaged = (where: Where, root: string, chunk: number, why: string, cause: Error) =>
  new StoreError(
    'CHUNK_CORRUPT',
    `${place(where)}: chunk ${chunk} does not match its hash, and ${why}`,
    { ...where, chunk, root },
    cause,
  );
