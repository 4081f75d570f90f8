/** Proofs for whoever checks: of a block in a log, of an older log in a newer one, of a chunk in a blob. */
import { toHex } from '@blyan/chain/hex';
import { inclusionProof, leafHash, splitLeafList } from '@blyan/chain/merkle';
import type { ChainId } from '@blyan/chain/types';
import { getBlock } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import { provableSize, proveConsistency, proveInclusion } from '@blyan/db/proofs';
import type { ChunkProof, ConsistencyProof, InclusionProof } from '@blyan/protocol/explorer';
import type { BlobStore } from '@blyan/store/blob-store';
import { ApiError, notFound } from '../http/errors.ts';

async function sizeOf(db: Db, chain: ChainId, asked: number | undefined, param: string) {
  const size = await provableSize(db, chain);
  if (asked === undefined) return size;
  if (asked <= size) return asked;
  throw new ApiError(400, 'out_of_range', `Chain ${chain} has ${size} blocks.`, { param });
}

/** @throws ApiError 400 for a size that the chain does not have, 404 for a block outside of it */
export async function readInclusion(
  db: Db,
  query: { chain: ChainId; height: number; size?: number | undefined },
): Promise<InclusionProof> {
  const { chain, height } = query;
  const size = await sizeOf(db, chain, query.size, 'size');
  const block = height < size ? await getBlock(db, chain, height) : null;
  if (!block) {
    const message = `The log of ${size} blocks of chain ${chain} has no block ${height}.`;
    throw notFound('block_not_found', message, 'height');
  }
  const path = await proveInclusion(db, chain, { height, size });
  return { chain, height, size, leaf: toHex(leafHash(block.hash)), path: path.map(toHex) };
}

/** @throws ApiError 400 */
export async function readConsistency(
  db: Db,
  query: { chain: ChainId; from: number; to?: number | undefined },
): Promise<ConsistencyProof> {
  const { chain, from } = query;
  const to = await sizeOf(db, chain, query.to, 'to');
  if (from > to) {
    throw new ApiError(400, 'out_of_range', `from: at most ${to}.`, { param: 'from' });
  }
  const path = await proveConsistency(db, chain, { from, to });
  return { chain, from, to, path: path.map(toHex) };
}

/** @throws ApiError 404, StoreError */
export async function readChunkProof(
  store: BlobStore,
  { root, index }: { root: string; index: number },
): Promise<ChunkProof> {
  const leaves = splitLeafList(await store.leaves(root));
  const leaf = leaves[index];
  if (!leaf) {
    throw notFound('chunk_not_found', `The blob has ${leaves.length} chunks.`, 'index');
  }
  const path = inclusionProof(leaves, index).map(toHex);
  return { root, index, size: leaves.length, leaf: toHex(leaf), path };
}
