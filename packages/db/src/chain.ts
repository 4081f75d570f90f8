/** The chains in PostgreSQL: what other parts use. */
import type { BlockType, BodyOf, ChainId, Hash } from '@blyan/chain/types';
import { appendBody } from './append.ts';
import { findByBodyHash } from './blocks.ts';
import type { Db } from './client.ts';

export { type Appended, appendBlock, appendBody, type CheckpointSigner } from './append.ts';
export { verifyStoredChains } from './audit.ts';
export {
  findByBodyHash,
  getBlock,
  head,
  listBlocks,
  MAX_LIST,
  type StoredBlock,
  type StoredHead,
} from './blocks.ts';
export { indexChains } from './indexing.ts';

/** What an importer needs of the chains: see AppendPort of packages/model. */
export function appendPort(db: Db, { secretKey }: { secretKey: Uint8Array }) {
  return {
    findByBody: (chain: ChainId, bodyHash: Hash) => findByBodyHash(db, chain, bodyHash),
    append: <T extends BlockType>(chain: ChainId, type: T, body: BodyOf<T>) =>
      appendBody(db, { chain, type, body, secretKey }),
  };
}
