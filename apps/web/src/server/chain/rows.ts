/** What the web app's own verifier reads. */
import type { ChainId, Hash, SealedBlock } from '@blyan/chain/types';
import { listBlocks } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';

/** Blocks of one query. */
const PAGE = 100;

/** Sealed blocks upwards from a height, as stored. */
export async function* readChain(
  db: Db,
  chain: ChainId,
  from: number,
): AsyncGenerator<{ hash: Hash; sealed: SealedBlock }> {
  for (let height = from; ; height += PAGE) {
    const blocks = await listBlocks(db, chain, { from: height, limit: PAGE });
    yield* blocks;
    if (blocks.length < PAGE) return;
  }
}
