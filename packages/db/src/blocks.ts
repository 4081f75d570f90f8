/** Blocks as they are stored. The canonical bytes are the truth, the other columns are read off them. */
import { type OpenedBlock, openBlock } from '@blyan/chain/block';
import { decodeHeader } from '@blyan/chain/header';
import { fromHex, toHex } from '@blyan/chain/hex';
import type { BlockType, ChainId, Hash, SealedBlock } from '@blyan/chain/types';
import type { Prisma, Tx } from './client.ts';
import { DbError } from './errors.ts';

/** Blocks in one answer of `listBlocks`: bodies have up to 1 MiB. */
export const MAX_LIST = 500;

export interface StoredBlock {
  chain: ChainId;
  height: number;
  hash: Hash;
  type: BlockType;
  /** Integer milliseconds. */
  time: number;
  author: Uint8Array;
  bodyHash: Hash;
  sealed: SealedBlock;
  storedAt: Date;
}

export interface StoredHead {
  chain: ChainId;
  /** Number of blocks; the head's height is one less. */
  size: number;
  height: number;
  hash: Hash;
  /** Signed, canonical bytes: `openCheckpoint` of packages/chain. */
  checkpoint: Uint8Array;
}

type Row = Prisma.BlockModel;

function fromRow(row: Row): StoredBlock {
  return {
    chain: row.chain as ChainId,
    height: row.height,
    hash: row.hash,
    type: row.type as BlockType,
    time: Number(row.time),
    author: row.author,
    bodyHash: row.bodyHash,
    sealed: { header: row.header, body: row.body, signature: row.signature },
    storedAt: row.storedAt,
  };
}

export function toRow({ hash, header, sealed }: OpenedBlock): Prisma.BlockCreateManyInput {
  return {
    chain: header.chain,
    height: header.height,
    hash: bytes(hash),
    type: header.type,
    time: BigInt(header.time),
    author: bytes(header.author),
    header: bytes(sealed.header),
    body: bytes(sealed.body),
    bodyHash: bytes(header.body),
    signature: bytes(sealed.signature),
  };
}

/** Prisma's types want bytes in memory of their own. */
export const bytes = (value: Uint8Array): Uint8Array<ArrayBuffer> =>
  value.buffer instanceof ArrayBuffer ? (value as Uint8Array<ArrayBuffer>) : value.slice();

/** Hash and header of a stored block, checked against each other. */
export function belowOf(row: Pick<Row, 'chain' | 'height' | 'hash' | 'header'>) {
  const header = decodeHeader(row.header);
  if (header.chain !== row.chain || header.height !== row.height) throw corrupt(row);
  return { hash: row.hash, header };
}

/** Opens a stored block again, with its hash and signature. */
export function reopen(row: Row): OpenedBlock {
  const opened = openBlock({ header: row.header, body: row.body, signature: row.signature });
  if (toHex(opened.hash) !== toHex(row.hash) || opened.header.height !== row.height)
    throw corrupt(row);
  return opened;
}

export const corrupt = (where: { chain: string; height: number }, reason = '') =>
  new DbError(
    'STORED_CHAIN_CORRUPT',
    `The stored chain ${where.chain} is damaged at height ${where.height}${reason && `: ${reason}`}`,
    { chain: where.chain, height: where.height },
  );

/** @param ref height, hash or its lowercase hex */
export async function getBlock(
  db: Tx,
  chain: ChainId,
  ref: number | Hash | string,
): Promise<StoredBlock | null> {
  if (typeof ref === 'number') {
    if (!Number.isInteger(ref) || ref < 0 || ref > 0x7fffffff) return null;
    const row = await db.block.findUnique({ where: { chain_height: { chain, height: ref } } });
    return row && fromRow(row);
  }
  const hash = bytes(typeof ref === 'string' ? fromHex(ref) : ref);
  const row = await db.block.findUnique({ where: { hash } });
  return row?.chain === chain ? fromRow(row) : null;
}

/** Blocks from height `from` on: upwards, or with `order: 'desc'` downwards. */
export async function listBlocks(
  db: Tx,
  chain: ChainId,
  { from, limit, order = 'asc' }: { from: number; limit: number; order?: 'asc' | 'desc' },
): Promise<StoredBlock[]> {
  const rows = await db.block.findMany({
    where: { chain, height: order === 'asc' ? { gte: from } : { lte: from } },
    orderBy: { height: order },
    take: Math.min(Math.max(0, limit), MAX_LIST),
  });
  return rows.map(fromRow);
}

/** The first block of the chain with this body; for importers, which must not write a thing twice. */
export async function findByBodyHash(
  db: Tx,
  chain: ChainId,
  bodyHash: Hash,
): Promise<{ hash: Hash; height: number } | null> {
  return await db.block.findFirst({
    where: { chain, bodyHash: bytes(bodyHash) },
    orderBy: { height: 'asc' },
    select: { hash: true, height: true },
  });
}

export async function head(db: Tx, chain: ChainId): Promise<StoredHead | null> {
  const row = await db.chainHead.findUnique({ where: { chain } });
  if (!row) return null;
  const { size, hash, checkpoint } = row;
  return { chain, size, height: size - 1, hash, checkpoint };
}
