import { AuthoritySet } from '@blyan/chain/authority';
import { isType, type OpenedBlock } from '@blyan/chain/block';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { publicKeyOf } from '@blyan/chain/keys';
import { Frontier } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';
import { authorityChanges, moveHead } from './append.ts';
import { reopen, toRow } from './blocks.ts';
import type { Db, Tx } from './client.ts';
import { DbError } from './errors.ts';

/** Any number that is ours: two first starts at once must not make two networks. */
const GENESIS_LOCK = 0x67656e65;

export interface Genesis {
  /** Hash of chain A's genesis: what clients pin. */
  hash: Hash;
  network: string;
  /** False when it was there already. */
  created: boolean;
  /** Whether the given key may write at chain A's present head. */
  authority: boolean;
}

/**
 * Makes the genesis blocks of A, B and L in one transaction, with the key as the only authority; or
 * returns what is there.
 * @throws DbError GENESIS_CONFLICT when the database holds another network
 */
export async function initGenesis(
  db: Db,
  input: { network: string; secretKey: Uint8Array; time: number },
): Promise<Genesis> {
  return await db.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(${GENESIS_LOCK})`;
    const row = await tx.block.findUnique({ where: { chain_height: { chain: 'A', height: 0 } } });
    const created = row === null;
    const root = row ? reopen(row) : await create(tx, input);
    const network = isType(root, 'genesis') ? root.body.network : '';
    if (network !== input.network) {
      throw new DbError(
        'GENESIS_CONFLICT',
        `The database holds the network "${network}", not "${input.network}". Set BLYAN_NETWORK or use another database.`,
        { stored: network, wanted: input.network },
      );
    }
    const authority = await isAuthority(tx, publicKeyOf(input.secretKey));
    return { hash: root.hash, network, created, authority };
  });
}

/** Whether a key may write at the present head of chain A. */
export async function isAuthority(tx: Tx, key: Uint8Array): Promise<boolean> {
  const row = await tx.chainHead.findUnique({ where: { chain: 'A' } });
  if (!row) return false;
  const head = { chain: 'A' as const, height: row.size - 1, hash: row.hash };
  return AuthoritySet.restore(await authorityChanges(tx), [head], head).allows(key, head.hash);
}

async function create(
  tx: Tx,
  { network, secretKey, time }: { network: string; secretKey: Uint8Array; time: number },
): Promise<OpenedBlock> {
  const authorities = [publicKeyOf(secretKey)];
  const root = createGenesis({ network, authorities, time, secretKey });
  const derived = (['B', 'L'] as const).map((chain) => deriveGenesis(root, chain, secretKey));
  for (const block of [root, ...derived]) {
    await tx.block.createMany({ data: [toRow(block)] });
    await moveHead(tx, block, Frontier.empty(), { secretKey });
  }
  return root;
}

/** The stored genesis of chain A, for what clients pin; null before `initGenesis`. */
export async function genesisHash(tx: Tx): Promise<Hash | null> {
  const row = await tx.block.findUnique({
    where: { chain_height: { chain: 'A', height: 0 } },
    select: { hash: true },
  });
  return row?.hash ?? null;
}
