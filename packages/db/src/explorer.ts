/**
 * What the explorer lists: blocks, models, tensors, and how the chains grew. Every query is bounded and
 * goes through an index, so that a chain of a million blocks is listed as fast as a short one.
 */
import type { BlockType, ChainId, Hash } from '@blyan/chain/types';
import { bytes } from './blocks.ts';
import { type Db, Prisma, type Tx } from './client.ts';
import { after, by, type Cursor, hasWords, type Order, page, wordQuery } from './keyset.ts';

export interface HeaderRow {
  height: number;
  hash: Hash;
  header: Uint8Array;
  signature: Uint8Array;
}

/**
 * Headers of one chain.
 * @param from first height, inclusive: the lowest one in ascending order, the highest one in descending
 */
export function listHeaders(
  db: Tx,
  chain: ChainId,
  filter: {
    from?: number | undefined;
    order: Order;
    limit: number;
    type?: BlockType | undefined;
    author?: Hash | undefined;
  },
): Promise<HeaderRow[]> {
  const { from, order, limit, type, author } = filter;
  const start = order === 'asc' ? { gte: from ?? 0 } : from === undefined ? {} : { lte: from };
  return db.block.findMany({
    where: {
      chain,
      height: start,
      ...(type ? { type } : {}),
      ...(author ? { author: bytes(author) } : {}),
    },
    orderBy: { height: order },
    take: limit,
    // Without bodies: a page of 500 would read up to 500 MB otherwise.
    select: { height: true, hash: true, header: true, signature: true },
  });
}

export interface ModelRow {
  height: number;
  hash: Hash;
  name: string;
  family: string;
  parameters: bigint;
  recipe: string;
  layers: number;
  /** Height of the block that retires it. */
  retired: number | null;
}
export const MODEL_SORTS = ['height', 'name', 'parameters'] as const;
export type ModelSort = (typeof MODEL_SORTS)[number];

export async function listModels(
  db: Tx,
  options: {
    sort: ModelSort;
    order: Order;
    limit: number;
    cursor: Cursor | null;
    q?: string | undefined;
  },
) {
  const { sort, order, limit, cursor } = options;
  const words = options.q === undefined ? null : wordQuery(options.q);
  const key = Prisma.sql`m.${Prisma.raw(`"${sort}"`)}`;
  const id = Prisma.sql`m."height"`;
  const rows = await db.$queryRaw<ModelRow[]>`
    SELECT m.* FROM "Model" m
    WHERE TRUE ${words ? Prisma.sql`AND ${hasWords(Prisma.sql`m."name"`, words)}` : Prisma.empty}
      ${after(key, id, order, cursor)}
    ${by(key, id, order)} LIMIT ${limit + 1}`;
  const number = (row: ModelRow) => (sort === 'name' ? row.name : Number(row[sort]));
  return page(rows, limit, (row) => ({ key: number(row), id: row.height }));
}

/** Models of exactly this name, newest first. */
export function modelsNamed(db: Tx, name: string, limit: number): Promise<ModelRow[]> {
  return db.model.findMany({ where: { name }, orderBy: { height: 'desc' }, take: limit });
}

export function findModel(db: Tx, hash: Hash): Promise<ModelRow | null> {
  return db.model.findUnique({ where: { hash: bytes(hash) } });
}

export interface TensorRow {
  height: number;
  position: number;
  group: string;
  name: string;
  role: string;
  dtype: string;
  format: string;
  shape: bigint[];
  parameters: bigint;
  byteLength: bigint;
  root: Hash;
}
/** A tensor of a model, with its layer block and its place among all of the model's. */
export type ModelTensorRow = TensorRow & { block: Hash; ordinal: number };

export const TENSOR_SORTS = ['ordinal', 'name', 'byteLength', 'parameters'] as const;
export type TensorSort = (typeof TENSOR_SORTS)[number];

export async function listModelTensors(
  db: Tx,
  model: number,
  options: {
    sort: TensorSort;
    order: Order;
    limit: number;
    cursor: Cursor | null;
    q?: string | undefined;
    group?: string | undefined;
    format?: string | undefined;
  },
) {
  const { sort, order, limit, cursor, q, group, format } = options;
  // A layer has at most 1024 tensors.
  const ordinal = Prisma.sql`(l."position" * 1024 + t."position")`;
  // The model's own order is that of two primary keys, so that a page of it reads no more than it shows.
  const [key, id] = {
    ordinal: [Prisma.sql`l."position"`, Prisma.sql`t."position"`],
    // Bytewise: ten times as fast as the order of a language, and the same on every server.
    name: [Prisma.sql`t."name" COLLATE "C"`, ordinal],
    byteLength: [Prisma.sql`t."byteLength"`, ordinal],
    parameters: [Prisma.sql`t."parameters"`, ordinal],
  }[sort] as [Prisma.Sql, Prisma.Sql];
  // Rows of two tables are compared one by one: layers before the cursor's would be read again for each page.
  const from =
    sort === 'ordinal' && cursor
      ? Prisma.sql`AND ${key} ${order === 'asc' ? Prisma.sql`>=` : Prisma.sql`<=`} ${cursor.key}`
      : Prisma.empty;
  const has = (text: string) => Prisma.sql`AND strpos(lower(t."name"), ${text.toLowerCase()}) > 0`;
  const rows = await db.$queryRaw<ModelTensorRow[]>`
    SELECT t.*, l."block", ${ordinal} AS "ordinal"
    FROM "ModelLayer" l JOIN "Tensor" t ON t."height" = l."height"
    WHERE l."model" = ${model}
      ${q ? has(q) : Prisma.empty}
      ${group ? Prisma.sql`AND l."group" = ${group}` : Prisma.empty}
      ${format ? Prisma.sql`AND t."format" = ${format}` : Prisma.empty}
      ${from} ${after(key, id, order, cursor)}
    ${by(key, id, order)} LIMIT ${limit + 1}`;
  return page(rows, limit, (row): Cursor => {
    if (sort === 'ordinal') return { key: Math.floor(row.ordinal / 1024), id: row.position };
    return { key: sort === 'name' ? row.name : Number(row[sort]), id: row.ordinal };
  });
}

export type TensorUse = TensorRow & {
  /** Hash of the layer block. */
  block: Hash;
};

/** Up to here answers are counted one by one; a page says "1000 and more" then. */
export const MAX_ANSWERS = 1000;

/**
 * How many answers these models gave. Not which: the id of an answer is the right to read it.
 * @returns at most MAX_ANSWERS
 */
export async function countAnswers(db: Tx, models: readonly Hash[]): Promise<number> {
  if (models.length === 0) return 0;
  const [row] = await db.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS "count" FROM (
      SELECT 1 FROM "Request"
      WHERE "model" IN (${Prisma.join(models.map(bytes))}) AND "status" = 'completed'
      LIMIT ${MAX_ANSWERS}) AS counted`;
  return row?.count ?? 0;
}

export interface ChainSummary {
  chain: ChainId;
  size: number;
  hash: Hash;
  /** Of headers, bodies and signatures. */
  bytes: bigint;
  /** Who ever wrote, at most 64. */
  authors: Hash[];
}

export async function chainSummary(db: Tx, chain: ChainId): Promise<ChainSummary | null> {
  const head = await db.chainHead.findUnique({
    where: { chain },
    select: { size: true, hash: true, bytes: true },
  });
  if (!head) return null;
  // From one author to the next through the index, instead of reading all blocks.
  const authors = await db.$queryRaw<{ author: Hash }[]>`
    WITH RECURSIVE next AS (
      (SELECT "author", 1 AS n FROM "Block" WHERE "chain" = ${chain} ORDER BY "author" LIMIT 1)
      UNION ALL
      SELECT (SELECT "author" FROM "Block" WHERE "chain" = ${chain} AND "author" > next."author"
              ORDER BY "author" LIMIT 1), n + 1
      FROM next WHERE next."author" IS NOT NULL AND n < 64)
    SELECT "author" FROM next WHERE "author" IS NOT NULL`;
  return { chain, ...head, authors: authors.map(({ author }) => author) };
}

/** How many blocks a chain had at `points` moments from its first block to its last. */
export async function chainGrowth(
  db: Tx,
  chain: ChainId,
  points: number,
): Promise<{ time: number; size: number }[]> {
  const rows = await db.$queryRaw<{ time: bigint; size: number }[]>`
    WITH ends AS (
      SELECT (SELECT "time" FROM "Block" WHERE "chain" = ${chain} ORDER BY "height" LIMIT 1) AS first,
             (SELECT "time" FROM "Block" WHERE "chain" = ${chain} ORDER BY "height" DESC LIMIT 1) AS last)
    SELECT at."time", b."height" + 1 AS "size"
    FROM ends, generate_series(0, ${points - 1}) AS i,
      LATERAL (SELECT first + (last - first) * i / ${Math.max(1, points - 1)} AS "time") AS at,
      LATERAL (SELECT "height" FROM "Block" WHERE "chain" = ${chain} AND "time" <= at."time"
               ORDER BY "time" DESC, "height" DESC LIMIT 1) AS b
    ORDER BY i`;
  return rows.map(({ time, size }) => ({ time: Number(time), size }));
}

export interface GroupRow {
  group: string;
  block: Hash;
  height: number | null;
  tensors: number;
  parameters: bigint;
  bytes: bigint;
  formats: string[];
}
export interface PartRow {
  role: string;
  format: string;
  tensors: number;
  parameters: bigint;
  bytes: bigint;
}

/** Sizes of a model by layer block, in its order, and by role and format, largest first. */
export async function modelSizes(
  db: Db,
  model: number,
): Promise<{ groups: GroupRow[]; parts: PartRow[] }> {
  const [groups, parts] = await Promise.all([
    db.modelLayer.findMany({ where: { model }, orderBy: { position: 'asc' } }),
    db.modelPart.findMany({ where: { model }, orderBy: [{ bytes: 'desc' }, { role: 'asc' }] }),
  ]);
  return { groups, parts };
}

/** Whether all layer blocks of these models are here: then their tensors never change again. */
export async function areWhole(db: Db, models: readonly number[]): Promise<boolean> {
  const where = { model: { in: [...models] }, height: null };
  return (await db.modelLayer.findFirst({ where, select: { position: true } })) === null;
}

export interface DifferenceRow {
  name: string;
  here: { height: number; position: number } | null;
  there: { height: number; position: number } | null;
}

/** Layers of two models, those of one block left out: what is the same is not looked into. */
const otherLayers = (here: number, there: number) => Prisma.sql`
  SELECT coalesce(2 * a."position", 2 * b."position" + 1) AS "layer", a."height" AS "h", b."height" AS "t"
  FROM (SELECT * FROM "ModelLayer" WHERE "model" = ${here}) a
  FULL JOIN (SELECT * FROM "ModelLayer" WHERE "model" = ${there}) b ON a."group" = b."group"
  WHERE a."block" IS DISTINCT FROM b."block"`;

/**
 * Tensors whose roots differ between two models or that only one of them has: layer by layer, and in the
 * order of the first model, so that a page of two large models reads few of them.
 */
export async function diffModels(
  db: Tx,
  [here, there]: readonly [number, number],
  { limit, cursor }: { limit: number; cursor: Cursor | null },
) {
  type Row = { layer: number; place: number; name: string; h: number; hp: number | null } & {
    t: number;
    tp: number | null;
  };
  const tensorsOf = (layer: Prisma.Sql) =>
    Prisma.sql`(SELECT "name", "root", "position" FROM "Tensor" WHERE "height" = ${layer})`;
  const [key, id] = [Prisma.sql`g."layer"`, Prisma.sql`d."place"`];
  const rows = await db.$queryRaw<Row[]>`
    SELECT g.*, d.* FROM (${otherLayers(here, there)} ORDER BY "layer") g,
      LATERAL (
        SELECT coalesce(2 * a."position", 2 * b."position" + 1) AS "place",
          coalesce(a."name", b."name") AS "name", a."position" AS "hp", b."position" AS "tp"
        FROM ${tensorsOf(Prisma.sql`g."h"`)} a FULL JOIN ${tensorsOf(Prisma.sql`g."t"`)} b
          ON a."name" = b."name"
        WHERE a."root" IS DISTINCT FROM b."root") d
    WHERE ${cursor ? Prisma.sql`g."layer" >= ${cursor.key}` : Prisma.sql`TRUE`}
      ${after(key, id, 'asc', cursor)}
    ${by(key, id, 'asc')} LIMIT ${limit + 1}`;
  const { rows: shown, next } = page(rows, limit, ({ layer, place }) => ({
    key: layer,
    id: place,
  }));
  const differences = shown.map(
    ({ name, h, hp, t, tp }): DifferenceRow => ({
      name,
      here: hp === null ? null : { height: h, position: hp },
      there: tp === null ? null : { height: t, position: tp },
    }),
  );
  return { rows: differences, next };
}

/** How many layers of two models, joined by their groups, are not of the same block. */
export async function countOtherLayers(
  db: Tx,
  [here, there]: readonly [number, number],
): Promise<number> {
  const [row] = await db.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS "count" FROM (${otherLayers(here, there)}) AS g`;
  return row?.count ?? 0;
}

/** Tensors by their places in layer blocks. */
export function tensorsAt(
  db: Tx,
  places: readonly { height: number; position: number }[],
): Promise<TensorUse[]> {
  if (places.length === 0) return Promise.resolve([]);
  return db.$queryRaw<TensorUse[]>`
    SELECT t.*, b."hash" AS "block" FROM "Tensor" t
    JOIN "Block" b ON b."chain" = 'B' AND b."height" = t."height"
    WHERE (t."height", t."position") IN
      (${Prisma.join(places.map(({ height, position }) => Prisma.sql`(${height}, ${position})`))})`;
}
