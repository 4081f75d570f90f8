/** Blocks for the API and the explorer. Rows are opened (hash, bounds, signature) before they are shown. */

import { toBase64 } from '@blyan/chain/base64';
import { type OpenedBlock, openBlockAs } from '@blyan/chain/block';
import { decodeHeader } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { readable, toWire } from '@blyan/chain/json';
import type { ChainId } from '@blyan/chain/types';
import { getBlock, head, listBlocks } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import type { BlocksQuery } from '@blyan/protocol/api';
import { notFound } from '../http/errors.ts';

/** Without bodies: a page of 500 would read up to 500 MB otherwise. */
const HEADERS = { hash: true, header: true, signature: true } as const;

/** Header columns of blocks with `from <= height < to`, ascending. */
export async function readHeads(db: Db, chain: ChainId, from: number, to: number) {
  const rows = await db.block.findMany({
    where: { chain, height: { gte: from, lt: to } },
    orderBy: { height: 'asc' },
    select: HEADERS,
  });
  return rows.map((row) => {
    const header = decodeHeader(row.header);
    return {
      chain,
      height: header.height,
      hash: toHex(row.hash),
      header: readable(header),
      headerBytes: toBase64(row.header),
      signature: toHex(row.signature),
    };
  });
}

/** Number of blocks; 0 when there is no such chain yet. */
export async function chainSize(db: Db, chain: ChainId): Promise<number> {
  return (await head(db, chain))?.size ?? 0;
}

/** One page; `next` is the cursor of the following one, or null. Newest first without `from`. */
export async function readPage(db: Db, chain: ChainId, { from, limit, bodies }: BlocksQuery) {
  const size = await chainSize(db, chain);
  const start = from ?? Math.max(0, size - limit);
  const end = Math.min(start + limit, size);
  const blocks = bodies
    ? (await readOpened(db, chain, start, end)).map(toWire)
    : await readHeads(db, chain, start, end);
  if (from === undefined) blocks.reverse();
  return { chain, size, blocks, next: from !== undefined && end < size ? end : null };
}

async function readOpened(
  db: Db,
  chain: ChainId,
  from: number,
  to: number,
): Promise<OpenedBlock[]> {
  const blocks = await listBlocks(db, chain, { from, limit: to - from });
  return blocks.map(({ hash, sealed }) => openBlockAs(hash, sealed));
}

/** A height, or a whole hash in hex. */
const REF = /^(?:0|[1-9]\d{0,9}|[0-9a-f]{64})$/;

/** @throws ApiError 404 */
export async function readBlock(db: Db, chain: ChainId, ref: string): Promise<OpenedBlock> {
  const text = ref.toLowerCase();
  const block = REF.test(text)
    ? await getBlock(db, chain, text.length === 64 ? text : Number(text))
    : null;
  if (!block) throw notFound('block_not_found', `Chain ${chain} has no block ${ref}.`, 'ref');
  return openBlockAs(block.hash, block.sealed);
}

/** Heights of blocks of one chain by hex hash. */
export async function heightsOf(db: Db, hashes: Uint8Array[]): Promise<Map<string, number>> {
  const rows = await db.block.findMany({
    where: { hash: { in: hashes.map((hash) => Buffer.from(hash)) } },
    select: { hash: true, height: true },
  });
  return new Map(rows.map((row) => [toHex(row.hash), row.height]));
}
