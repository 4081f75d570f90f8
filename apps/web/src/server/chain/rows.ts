/** Reads chain rows for the web app's own verifier. */
import type { ChainId, Hash, SealedBlock } from '@blyan/chain/types';
import type { Db } from '@blyan/db/client';

/** Blocks of one query. */
const PAGE = 100;

/** Hex hash of a chain's head when it is not `known`; null when the chain is empty. */
export async function newHead(
  db: Db,
  chain: ChainId,
  known: string | null,
): Promise<string | 'same' | null> {
  const row = await db.chainHead.findUnique({ where: { chain }, select: { hash: true } });
  if (!row) return null;
  const hash = Buffer.from(row.hash).toString('hex');
  return hash === known ? 'same' : hash;
}

/** Sealed blocks upwards from a height, as stored. */
export async function* readChain(
  db: Db,
  chain: ChainId,
  from: number,
): AsyncGenerator<SealedBlock & { hash: Hash }> {
  for (let height = from; ; height += PAGE) {
    const rows = await db.block.findMany({
      where: { chain, height: { gte: height, lt: height + PAGE } },
      orderBy: { height: 'asc' },
      select: { hash: true, header: true, body: true, signature: true },
    });
    yield* rows;
    if (rows.length < PAGE) return;
  }
}
