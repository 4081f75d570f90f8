/** Blocks for the API and the explorer. Rows are opened (hash, bounds, signature) before they are shown. */

import { toBase64 } from '@blyan/chain/base64';
import { type OpenedBlock, openBlockAs } from '@blyan/chain/block';
import { decodeHeader } from '@blyan/chain/header';
import { fromHex, toHex } from '@blyan/chain/hex';
import { readable, toWire } from '@blyan/chain/json';
import type { ChainId } from '@blyan/chain/types';
import { getBlock, head, listBlocks } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import { type HeaderRow, listHeaders } from '@blyan/db/explorer';
import type { BlocksQuery } from '@blyan/protocol/api';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';

/** A row of the database as lists show it. */
function headOf(chain: ChainId, row: HeaderRow) {
  const header = decodeHeader(row.header);
  return {
    chain,
    height: header.height,
    hash: toHex(row.hash),
    header: readable(header),
    headerBytes: toBase64(row.header),
    signature: toHex(row.signature),
  };
}
export type BlockHead = ReturnType<typeof headOf>;

/** Headers of blocks with `from <= height < to`, ascending. */
export async function readHeads(db: Db, chain: ChainId, from: number, to: number) {
  const limit = Math.max(0, to - from);
  const rows = await listHeaders(db, chain, { from, order: 'asc', limit });
  return rows.filter((row) => row.height < to).map((row) => headOf(chain, row));
}

/** Number of blocks; 0 when there is no such chain yet. */
export async function chainSize(db: Db, chain: ChainId): Promise<number> {
  return (await head(db, chain))?.size ?? 0;
}

/**
 * One page. `next` is what the following one begins with, or null: its `from` if this one has a `from`,
 * else its `before`.
 */
export async function readPage(db: Db, chain: ChainId, query: BlocksQuery) {
  const { from, before, limit, bodies } = query;
  if (bodies) {
    const size = await chainSize(db, chain);
    const end = Math.min(before ?? size, size);
    const start = from ?? Math.max(0, end - limit);
    const stop = Math.min(start + limit, end);
    const blocks = (await readOpened(db, chain, start, stop)).map(toWire);
    if (from === undefined) blocks.reverse();
    const rest = from === undefined ? (start > 0 ? start : null) : stop < size ? stop : null;
    return { chain, size, blocks, next: rest };
  }
  const [size, heads] = await Promise.all([
    chainSize(db, chain),
    filteredHeads(db, chain, query, limit + 1),
  ]);
  const blocks = heads.slice(0, limit);
  const last = blocks.at(-1)?.height ?? 0;
  const more = heads.length > limit;
  return { chain, size, blocks, next: more ? last + (from === undefined ? 0 : 1) : null };
}

async function filteredHeads(db: Db, chain: ChainId, query: BlocksQuery, limit: number) {
  const { from, before, type, author } = query;
  if (before === 0) return [];
  const rows = await listHeaders(db, chain, {
    from: from ?? (before === undefined ? undefined : before - 1),
    order: from === undefined ? 'desc' : 'asc',
    limit,
    type,
    author: author === undefined ? undefined : fromHex(author),
  });
  return rows.map((row) => headOf(chain, row));
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
export async function readBlock(
  { db, parsed }: Pick<Context, 'db' | 'parsed'>,
  chain: ChainId,
  ref: string,
): Promise<OpenedBlock> {
  const text = ref.toLowerCase();
  const known = parsed.blocks.get(text);
  if (known?.header.chain === chain) return known;
  const row = REF.test(text)
    ? await getBlock(db, chain, text.length === 64 ? text : Number(text))
    : null;
  if (!row) throw notFound('block_not_found', `Chain ${chain} has no block ${ref}.`, 'ref');
  const hash = toHex(row.hash);
  const block = parsed.blocks.get(hash) ?? openBlockAs(row.hash, row.sealed);
  parsed.blocks.set(hash, block);
  return block;
}

/** Heights of blocks of one chain by hex hash. */
export async function heightsOf(db: Db, hashes: Uint8Array[]): Promise<Map<string, number>> {
  const rows = await db.block.findMany({
    where: { hash: { in: hashes.map((hash) => Buffer.from(hash)) } },
    select: { hash: true, height: true },
  });
  return new Map(rows.map((row) => [toHex(row.hash), row.height]));
}
