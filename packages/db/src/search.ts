/** One box for everything: what a text can mean, each kind through its own index. */
import { fromHex } from '@blyan/chain/hex';
import type { BlockType, ChainId, Hash } from '@blyan/chain/types';
import { type Db, Prisma } from './client.ts';
import type { ModelRow, TensorUse } from './explorer.ts';
import { hasWords, wordQuery } from './keyset.ts';

/** Of each kind. */
const LIMIT = 8;
/** A word like "layers" is in every name: so many are looked through for the shortest ones. */
const SORTED = 200;
/** Fewer digits of a hash would match everything. */
const MIN_HASH = 4;

export interface FoundBlock {
  chain: ChainId;
  height: number;
  hash: Hash;
  type: BlockType;
  time: bigint;
}
export interface FoundLayer {
  group: string;
  model: string;
  modelHash: Hash;
  block: Hash;
  height: number | null;
}
export interface FoundFile {
  path: string;
  sha256: Hash;
  /** Of the checkpoint that the model was made from. */
  source: boolean;
  model: string;
  modelHash: Hash;
}
export interface Found {
  blocks: FoundBlock[];
  tensors: TensorUse[];
  layers: FoundLayer[];
  files: FoundFile[];
  models: ModelRow[];
  nodes: { id: string }[];
  /** The very text, when it is the id of an answer. */
  receipt: string | null;
}

/** @param text at most 256 characters, trimmed */
export async function searchAll(db: Db, text: string): Promise<Found> {
  // A lone number is a height: as a word it would be in nearly every name.
  const words = /^\d+$/.test(text) ? null : wordQuery(text);
  const [byHeight, byHash, byRoot, byName, layers, files, models, nodes, receipt] =
    await Promise.all([
      blocksAt(db, text),
      blocksByHash(db, text),
      tensorsByRoot(db, text),
      tensorsByName(db, words),
      layersByGroup(db, text),
      filesByHash(db, text),
      modelsByName(db, words),
      nodesById(db, text),
      receiptById(db, text),
    ]);
  const tensors = [...byRoot, ...byName];
  return { blocks: [...byHeight, ...byHash], tensors, layers, files, models, nodes, receipt };
}

const BLOCK = { chain: true, height: true, hash: true, type: true, time: true } as const;

async function blocksAt(db: Db, text: string): Promise<FoundBlock[]> {
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0x7fffffff) return [];
  const chains = ['A', 'B', 'L'] as const;
  const rows = await db.block.findMany({
    where: { chain: { in: [...chains] }, height: Number(text) },
    select: BLOCK,
  });
  return rows as FoundBlock[];
}

/** First and last hash that begin with these digits; null when the text is no part of a hash. */
function hashRange(text: string): { first: Buffer; last: Buffer } | null {
  const digits = text.toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(digits) || digits.length < MIN_HASH) return null;
  const end = (fill: string) => Buffer.from(fromHex(digits.padEnd(64, fill)));
  return { first: end('0'), last: end('f') };
}

async function blocksByHash(db: Db, text: string): Promise<FoundBlock[]> {
  const range = hashRange(text);
  if (!range) return [];
  return await db.$queryRaw<FoundBlock[]>`
    SELECT "chain", "height", "hash", "type", "time" FROM "Block"
    WHERE "hash" BETWEEN ${range.first} AND ${range.last} ORDER BY "hash" LIMIT ${LIMIT}`;
}

async function tensorsByRoot(db: Db, text: string): Promise<TensorUse[]> {
  const range = hashRange(text);
  if (!range) return [];
  // The same tensor may be in many blocks: its newest one is shown.
  return await db.$queryRaw<TensorUse[]>`
    SELECT t.*, b."hash" AS "block" FROM (
      SELECT DISTINCT ON ("root") * FROM "Tensor"
      WHERE "root" BETWEEN ${range.first} AND ${range.last}
      ORDER BY "root" DESC, "height" DESC LIMIT ${LIMIT}) AS t
    JOIN "Block" b ON b."chain" = 'B' AND b."height" = t."height"`;
}

async function tensorsByName(db: Db, words: string | null): Promise<TensorUse[]> {
  if (!words) return [];
  return await db.$queryRaw<TensorUse[]>`
    SELECT t.*, b."hash" AS "block" FROM (
      SELECT "name" FROM (
        SELECT "name" FROM "TensorName" WHERE ${hasWords(Prisma.sql`"name"`, words)} LIMIT ${SORTED}) AS matching
      ORDER BY length("name"), "name" COLLATE "C" LIMIT ${LIMIT}) AS n,
    LATERAL (SELECT * FROM "Tensor" WHERE "name" = n."name" ORDER BY "height" DESC LIMIT 1) AS t
    JOIN "Block" b ON b."chain" = 'B' AND b."height" = t."height"`;
}

async function layersByGroup(db: Db, text: string): Promise<FoundLayer[]> {
  const group = text.toLowerCase().replace(/^layer[\s_-]*(\d+)$/, 'layer.$1');
  if (!/^(embedding|norm|head|layer\.\d{1,4})$/.test(group)) return [];
  return await db.$queryRaw<FoundLayer[]>`
    SELECT l."group", l."block", l."height", m."name" AS "model", m."hash" AS "modelHash"
    FROM "ModelLayer" l JOIN "Model" m ON m."height" = l."model"
    WHERE l."group" = ${group} ORDER BY l."model" DESC LIMIT ${LIMIT}`;
}

async function filesByHash(db: Db, text: string): Promise<FoundFile[]> {
  const range = hashRange(text);
  if (!range) return [];
  return await db.$queryRaw<FoundFile[]>`
    SELECT f."path", f."sha256", f."source", m."name" AS "model", m."hash" AS "modelHash" FROM (
      SELECT * FROM "ModelFile" WHERE "sha256" BETWEEN ${range.first} AND ${range.last}
      ORDER BY "sha256" DESC, "model" DESC LIMIT ${LIMIT}) AS f
    JOIN "Model" m ON m."height" = f."model"
    ORDER BY f."sha256" DESC, f."model" DESC, f."position"`;
}

async function modelsByName(db: Db, words: string | null): Promise<ModelRow[]> {
  if (!words) return [];
  const matches = hasWords(Prisma.sql`"name"`, words);
  // By age alone a rare word would be looked for in every model, by words alone a common one be read of every
  // model: of both the first ones.
  return await db.$queryRaw<ModelRow[]>`
    SELECT m.* FROM (
      SELECT "height" FROM (
        SELECT "height", "name" FROM "Model" ORDER BY "height" DESC LIMIT ${SORTED}) AS newest
      WHERE ${matches}
      UNION (SELECT "height" FROM "Model" WHERE ${matches} LIMIT ${SORTED})) AS found
    JOIN "Model" m ON m."height" = found."height"
    ORDER BY m."height" DESC LIMIT ${LIMIT}`;
}

async function nodesById(db: Db, text: string): Promise<{ id: string }[]> {
  const id = text.toLowerCase();
  if (!/^[a-z0-9][a-z0-9-]{2,62}$/.test(id)) return [];
  return await db.node.findMany({
    where: { id: { startsWith: id } },
    orderBy: { id: 'asc' },
    take: LIMIT,
    select: { id: true },
  });
}

/** Whole only: who knows the id of an answer may read it, and nobody is helped to guess one. */
async function receiptById(db: Db, text: string): Promise<string | null> {
  if (!/^[A-Za-z0-9_-]{20,64}$/.test(text)) return null;
  const row = await db.request.findUnique({ where: { id: text }, select: { id: true } });
  return row?.id ?? null;
}
