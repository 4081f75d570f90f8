/** Proofs out of the kept nodes of a log: a few dozen rows, whatever the length of the chain. */
import {
  consistencyRanges,
  hashRanges,
  inclusionRanges,
  type LogNode,
} from '@blyan/chain/log-proof';
import type { ChainId, Hash } from '@blyan/chain/types';
import type { Tx } from './client.ts';
import { readNodes } from './indexing.ts';

/** Number of blocks that proofs can be made over; 0 before there is a chain. */
export async function provableSize(db: Tx, chain: ChainId): Promise<number> {
  const head = await db.chainHead.findUnique({ where: { chain }, select: { indexed: true } });
  return head?.indexed ?? 0;
}

const reader = (db: Tx, chain: ChainId) => (nodes: LogNode[]) => readNodes(db, chain, nodes);

/**
 * That the block at `height` is in the log of the first `size` blocks, from the leaf's sibling upwards.
 * @param size at most `provableSize`; @throws RangeError outside of it
 */
export function proveInclusion(
  db: Tx,
  chain: ChainId,
  { height, size }: { height: number; size: number },
): Promise<Hash[]> {
  return hashRanges(inclusionRanges(height, size), reader(db, chain));
}

/** That the log of `to` blocks begins with that of `from`. @throws RangeError as above */
export function proveConsistency(
  db: Tx,
  chain: ChainId,
  { from, to }: { from: number; to: number },
): Promise<Hash[]> {
  return hashRanges(consistencyRanges(from, to), reader(db, chain));
}
