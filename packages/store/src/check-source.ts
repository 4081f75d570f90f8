/** Looks whether a source sends what it is asked for, when somebody says that it does not. */
import type { BlobStore } from './blob-store.ts';
import { chunkLength, HASH_BYTES, leafCount } from './layout.ts';
import { isChunk } from './partial-blob.ts';
import type { BlobSource } from './source.ts';
import { readChunkFrom, type WrongBytes } from './source-pool.ts';

/** What of our own store tells right from wrong: its lists of leaf hashes are checked against the roots. */
export type KnownBlobs = Pick<BlobStore, 'stat' | 'leaves'>;

/**
 * Asks a source for one chunk, or for the list of leaf hashes.
 *
 * @returns whether it is right; null when our own store does not have that blob or chunk
 * @throws StoreError when the source cannot be asked, and LEAVES_CORRUPT when our own list is damaged
 */
export async function checkSource(
  source: BlobSource,
  { root, chunk }: Pick<WrongBytes, 'root' | 'chunk'>,
  known: KnownBlobs,
  signal: AbortSignal,
): Promise<boolean | null> {
  const byteLength = (await known.stat(root))?.byteLength;
  if (byteLength === undefined || (chunk ?? 0) >= leafCount(byteLength)) return null;
  const leaves = await known.leaves(root);
  if (chunk === null) {
    const maxBytes = leafCount(byteLength) * HASH_BYTES;
    return Buffer.compare(await source.leaves(root, { maxBytes, signal }), leaves) === 0;
  }
  const range = { first: chunk, count: 1, byteLength };
  for await (const bytes of readChunkFrom(source, root, range, signal)) {
    return isChunk(leaves, byteLength, chunk, bytes.subarray(0, chunkLength(byteLength, chunk)));
  }
  return false;
}
