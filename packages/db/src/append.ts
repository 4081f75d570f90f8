/**
 * Appending, in one transaction: lock the head, check the block with the rules of packages/chain,
 * insert, move head, log, checkpoint and the explorer's rows. The cost does not depend on the length of the chain.
 */
import { AuthoritySet } from '@blyan/chain/authority';
import { type OpenedBlock, openBlock, sealBlock } from '@blyan/chain/block';
import { signCheckpoint } from '@blyan/chain/checkpoint';
import { ChainError } from '@blyan/chain/errors';
import { equalBytes, toHex } from '@blyan/chain/hex';
import { type Below, checkAppend, checkNext } from '@blyan/chain/linkage';
import { Frontier, leafHash } from '@blyan/chain/merkle';
import type { BlockRef, BlockType, BodyOf, ChainId, Hash, SealedBlock } from '@blyan/chain/types';
import { belowOf, bytes, corrupt, reopen, toRow } from './blocks.ts';
import { type Db, Prisma, type Tx } from './client.ts';
import { DbError } from './errors.ts';
import { indexBlock } from './indexing.ts';

/** Waiting for the writer in front, and for a connection. */
const TRANSACTION = { maxWait: 30_000, timeout: 30_000 };
/** Rows kept of one height: a few prove as much as a thousand, and a bad key can sign without end. */
const MAX_EVIDENCE = 16;

export interface CheckpointSigner {
  /** Key of an authority: signs the checkpoint that is published with the head. */
  secretKey: Uint8Array;
}

/** `appended` is false when the very block was there already. */
export type Appended = BlockRef & { appended: boolean };

interface Head {
  size: number;
  hash: Hash;
  log: Frontier;
}

/**
 * Appends a sealed block. Every refusal leaves the tables as they were, but for the evidence row of a
 * second valid block at a height.
 * @throws ChainError with the codes of packages/chain; DbError NOT_INITIALIZED
 */
export async function appendBlock(
  db: Db,
  sealed: SealedBlock,
  signer: CheckpointSigner,
): Promise<Appended> {
  // What the block says by itself is checked before any row is locked.
  const block = openBlock(sealed);
  const result = await db.$transaction(async (tx) => {
    const heads = await lockHeads(tx, block.header.chain);
    return await place(tx, block, heads, signer);
  }, TRANSACTION);
  if (result instanceof ChainError) throw result;
  return result;
}

/** Seals a body on the present head and appends it, under the same lock. */
export async function appendBody<T extends BlockType>(
  db: Db,
  input: { chain: ChainId; type: T; body: BodyOf<T>; secretKey: Uint8Array },
): Promise<Appended> {
  const { chain, type, body, secretKey } = input;
  const result = await db.$transaction(async (tx) => {
    const heads = await lockHeads(tx, chain);
    const below = await belowAt(tx, chain, heads.own.size - 1);
    const { hash: _, ...sealed } = sealBlock({
      chain,
      height: heads.own.size,
      prev: heads.own.hash,
      // A clock that was set back must not stop the chain.
      time: Math.max(Date.now(), below.header.time),
      type,
      anchor: chain === 'A' ? null : heads.a.hash,
      log: heads.own.log.root(),
      body,
      secretKey,
    });
    return await place(tx, openBlock(sealed), heads, { secretKey });
  }, TRANSACTION);
  if (result instanceof ChainError) throw result;
  return result;
}

/**
 * Chain A's row first, always: so two appends cannot lock each other out. A's head is shared by
 * appends to other chains, and stays where it is while one of them checks its anchor.
 */
async function lockHeads(tx: Tx, chain: ChainId): Promise<{ a: Head; own: Head }> {
  const a = await lockHead(tx, 'A', chain === 'A' ? 'UPDATE' : 'SHARE');
  return { a, own: chain === 'A' ? a : await lockHead(tx, chain, 'UPDATE') };
}

async function lockHead(tx: Tx, chain: ChainId, strength: 'UPDATE' | 'SHARE'): Promise<Head> {
  const [row] = await tx.$queryRaw<{ size: number; hash: Uint8Array; frontier: Uint8Array }[]>`
    SELECT "size", "hash", "frontier" FROM "ChainHead" WHERE "chain" = ${chain}
    FOR ${Prisma.raw(strength)}`;
  if (!row) {
    throw new DbError('NOT_INITIALIZED', `Chain ${chain} has no genesis yet.`, { chain });
  }
  return { size: row.size, hash: row.hash, log: Frontier.fromBytes(row.size, row.frontier) };
}

/** Returns a ChainError where something must be committed with the refusal, and throws all others. */
async function place(
  tx: Tx,
  block: OpenedBlock,
  { a, own }: { a: Head; own: Head },
  signer: CheckpointSigner,
): Promise<Appended | ChainError> {
  const { chain, height } = block.header;
  if (height < own.size) return await placeSecond(tx, block, a);
  const below = await belowAt(tx, chain, own.size - 1);
  if (!equalBytes(below.hash, own.hash)) throw corrupt({ chain, height: own.size - 1 });
  const authorities = await loadAuthorities(tx, a, block, below);
  checkAppend(block, below, own.log.root(), authorities);
  await tx.block.createMany({ data: [toRow(block)] });
  await moveHead(tx, block, own.log, signer);
  return { chain, height, hash: block.hash, appended: true };
}

async function placeSecond(tx: Tx, block: OpenedBlock, a: Head): Promise<Appended | ChainError> {
  const { chain, height, author } = block.header;
  const known = await belowAt(tx, chain, height);
  if (equalBytes(known.hash, block.hash))
    return { chain, height, hash: block.hash, appended: false };
  const details = { chain, height, hash: toHex(known.hash), other: toHex(block.hash) };
  if (height === 0) {
    const expected = toHex(known.hash);
    throw new ChainError('GENESIS_MISMATCH', { chain, height, hash: toHex(block.hash), expected });
  }
  const below = await belowAt(tx, chain, height - 1);
  // The log root over all blocks below this height is what the known block carries.
  checkNext(block, below, known.header.log, await loadAuthorities(tx, a, block, below));
  if ((await tx.blockEvidence.count({ where: { chain, height } })) < MAX_EVIDENCE) {
    const { hash, header, body, signature } = toRow(block);
    const data = { hash, chain, height, header, body, signature };
    await tx.blockEvidence.createMany({ data: [data], skipDuplicates: true });
  }
  return new ChainError('EQUIVOCATION', { ...details, author: toHex(author) });
}

/** Inserts or moves the head behind a block that was just written, with a checkpoint; indexes the block. */
export async function moveHead(
  tx: Tx,
  block: OpenedBlock,
  log: Frontier,
  { secretKey }: CheckpointSigner,
): Promise<void> {
  const { chain, height, time } = block.header;
  const filled = log.append(leafHash(block.hash));
  const size = height + 1;
  const checkpoint = signCheckpoint(
    { chain, size, head: block.hash, log: log.root(), time: Math.max(Date.now(), time) },
    secretKey,
  );
  const data = {
    size,
    hash: bytes(block.hash),
    frontier: log.toBytes(),
    checkpoint: bytes(checkpoint),
  };
  await tx.chainHead.upsert({ where: { chain }, create: { chain, ...data }, update: data });
  await indexBlock(tx, block, filled);
}

async function belowAt(tx: Tx, chain: ChainId, height: number): Promise<Below> {
  const row = await tx.block.findUnique({
    where: { chain_height: { chain, height } },
    select: { chain: true, height: true, hash: true, header: true },
  });
  if (!row) throw corrupt({ chain, height }, 'the block is missing');
  return belowOf(row);
}

/** Who may write, as far as this block needs it: its own anchor, the one below, and A's head. */
async function loadAuthorities(
  tx: Tx,
  a: Head,
  block: OpenedBlock,
  below: Below,
): Promise<AuthoritySet> {
  const top: BlockRef = { chain: 'A', height: a.size - 1, hash: a.hash };
  const asked = [block.header.anchor, below.header.anchor, below.hash].filter((h) => h !== null);
  const found = await tx.block.findMany({
    where: { chain: 'A', hash: { in: asked.map(bytes) } },
    select: { height: true, hash: true },
  });
  const anchors = found.map(({ height, hash }): BlockRef => ({ chain: 'A', height, hash }));
  return AuthoritySet.restore(await authorityChanges(tx), [top, ...anchors], top);
}

/** Genesis and authority blocks of chain A: as many as keys were ever added or removed. */
export async function authorityChanges(tx: Tx): Promise<OpenedBlock[]> {
  const rows = await tx.block.findMany({
    where: { chain: 'A', type: { in: ['genesis', 'authority'] } },
    orderBy: { height: 'asc' },
  });
  return rows.map(reopen);
}
