import { openCheckpoint } from '@blyan/chain/checkpoint';
import { equalBytes } from '@blyan/chain/hex';
import { Frontier, leafHash } from '@blyan/chain/merkle';
import type { ChainId, Hash } from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import { corrupt, listBlocks, MAX_LIST } from './blocks.ts';
import type { Db } from './client.ts';

const CHAINS: readonly ChainId[] = ['A', 'B', 'L'];

/**
 * Verifies everything that is stored, from the pinned genesis: all blocks, and that heads, logs and
 * checkpoints agree with them.
 * @throws ChainError for a bad block; DbError STORED_CHAIN_CORRUPT for a bad row around it
 */
export async function verifyStoredChains(
  db: Db,
  options: {
    genesis: Hash;
    signal?: AbortSignal | undefined;
    onProgress?: ((progress: { chain: ChainId; done: number; total: number }) => void) | undefined;
  },
): Promise<ChainVerifier> {
  const verifier = new ChainVerifier({ genesis: options.genesis });
  // One statement, before the blocks: what is appended meanwhile is left for the next time, and no
  // block of B is anchored above the head of A that was read with it.
  const heads = await db.chainHead.findMany();
  for (const chain of CHAINS) {
    const row = heads.find((head) => head.chain === chain);
    if (!row) throw corrupt({ chain, height: 0 }, 'there is no head');
    const log = Frontier.empty();
    while (log.size < row.size) {
      options.signal?.throwIfAborted();
      const limit = Math.min(MAX_LIST, row.size - log.size);
      const page = await listBlocks(db, chain, { from: log.size, limit });
      if (page.length === 0) throw corrupt({ chain, height: log.size }, 'the block is missing');
      for (const stored of page) {
        const height = log.size;
        const block = verifier.accept(stored.sealed);
        const right =
          block.chain === chain && block.height === height && equalBytes(block.hash, stored.hash);
        if (!right) throw corrupt({ chain, height }, 'the row is not the block that it names');
        log.append(leafHash(block.hash));
      }
      options.onProgress?.({ chain, done: log.size, total: row.size });
    }
    const { checkpoint } = openCheckpoint(row.checkpoint);
    const top = verifier.head(chain);
    const right =
      top !== undefined &&
      equalBytes(top.hash, row.hash) &&
      equalBytes(log.toBytes(), row.frontier) &&
      checkpoint.chain === chain &&
      checkpoint.size === row.size &&
      equalBytes(checkpoint.head, row.hash) &&
      equalBytes(checkpoint.log, log.root());
    if (!right) throw corrupt({ chain, height: row.size - 1 }, 'the head does not fit the blocks');
  }
  return verifier;
}
