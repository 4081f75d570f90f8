/**
 * What the explorer finds blocks, tensors and models by, and the nodes that proofs are made of: rows that
 * follow from the blocks, written in the transaction that appends them. Blocks from before these tables
 * are caught up with at the next start (`indexChains`); until then an append leaves them alone.
 */
import { isType, type OpenedBlock } from '@blyan/chain/block';
import { type KeptNode, type LogNode, nodesOf } from '@blyan/chain/log-proof';
import { Frontier, joinLeaves, leafHash } from '@blyan/chain/merkle';
import type { ChainId, Hash, LayerBody, ModelBody } from '@blyan/chain/types';
import { bytes, corrupt, reopen } from './blocks.ts';
import { type Db, Prisma, type Tx } from './client.ts';

/** Blocks of one transaction when old ones are indexed: a few MB of bodies. */
const BATCH = 200;
/** Columns are 64 bits; a shape may multiply to more than any tensor has. */
const MAX_COUNT = 2n ** 63n - 1n;
const TRANSACTION = { maxWait: 30_000, timeout: 60_000 };

/** Rows of one block, its place in the log left out. */
interface Rows {
  tensors: Prisma.TensorCreateManyInput[];
  models: Prisma.ModelCreateManyInput[];
  /** Of models, without the heights of the blocks. */
  layers: { model: number; position: number; group: string; block: Hash }[];
  files: Prisma.ModelFileCreateManyInput[];
  /** Models that this block retires. */
  retires: { model: Hash; height: number }[];
}

function rowsOf(block: OpenedBlock): Rows {
  const { height } = block.header;
  const rows: Rows = { tensors: [], models: [], layers: [], files: [], retires: [] };
  if (isType(block, 'layer')) rows.tensors = tensorRows(height, block.body);
  if (isType(block, 'retire')) rows.retires.push({ model: block.body.model, height });
  if (isType(block, 'model')) {
    const { name, family, parameters, recipe, layers } = block.body;
    rows.models.push({
      height,
      hash: bytes(block.hash),
      name,
      family,
      parameters: BigInt(parameters),
      recipe: recipeText(recipe),
      layers: layers.length,
    });
    rows.layers = layers.map((layer, position) => ({ model: height, position, ...layer }));
    rows.files = fileRows(height, block.body);
  }
  return rows;
}

function fileRows(model: number, { files, source }: ModelBody): Prisma.ModelFileCreateManyInput[] {
  const all = [
    ...files.map((file) => ({ ...file, source: false })),
    ...source.files.map((file) => ({ ...file, source: true })),
  ];
  return all.map(({ path, sha256, source }, position) => ({
    model,
    position,
    path,
    sha256: bytes(sha256),
    source,
  }));
}

const recipeText = ({ name, version }: { name: string; version: number }) => `${name}/${version}`;

function tensorRows(height: number, body: LayerBody): Prisma.TensorCreateManyInput[] {
  return body.tensors.map((tensor, position) => {
    const { name, role, dtype, format, shape, byteLength, root } = tensor;
    const product = shape.reduce((size, dimension) => size * BigInt(dimension), 1n);
    return {
      height,
      position,
      group: body.group,
      name,
      role,
      dtype,
      format,
      shape: shape.map(BigInt),
      parameters: product < MAX_COUNT ? product : MAX_COUNT,
      byteLength: BigInt(byteLength),
      root: bytes(root),
    };
  });
}

/**
 * Indexes a block that was just written, if all below it are.
 * @param filled what `Frontier.append` returned for it
 */
export async function indexBlock(
  tx: Tx,
  block: OpenedBlock,
  filled: readonly KeptNode[],
): Promise<void> {
  const { chain, height } = block.header;
  const moved = await tx.chainHead.updateMany({
    where: { chain, indexed: height },
    data: { indexed: height + 1, bytes: { increment: sizeOf(block) } },
  });
  if (moved.count > 0) await write(tx, chain, [block], filled);
}

const sizeOf = ({ sealed }: OpenedBlock) =>
  sealed.header.length + sealed.body.length + sealed.signature.length;

async function write(
  tx: Tx,
  chain: ChainId,
  blocks: readonly OpenedBlock[],
  nodes: readonly KeptNode[],
): Promise<void> {
  if (nodes.length > 0) {
    const data = nodes.map(({ level, index, hash }) => ({
      chain,
      level,
      index,
      hash: bytes(hash),
    }));
    await tx.logNode.createMany({ data });
  }
  const rows = blocks.map(rowsOf);
  const tensors = rows.flatMap((row) => row.tensors);
  if (tensors.length > 0) {
    await tx.tensor.createMany({ data: tensors });
    const names = [...new Set(tensors.map(({ name }) => name))].sort();
    await tx.tensorName.createMany({ data: names.map((name) => ({ name })), skipDuplicates: true });
  }
  const models = rows.flatMap((row) => row.models);
  if (models.length > 0) await tx.model.createMany({ data: models });
  const files = rows.flatMap((row) => row.files);
  if (files.length > 0) await tx.modelFile.createMany({ data: files });
  const layers = rows.flatMap((row) => row.layers);
  if (layers.length > 0) {
    const found = await tx.block.findMany({
      where: { chain: 'B', hash: { in: layers.map(({ block }) => bytes(block)) } },
      select: { hash: true, height: true },
    });
    const heights = new Map(found.map(({ hash, height }) => [hash.join(), height]));
    const data = layers.map((layer) => ({
      ...layer,
      block: bytes(layer.block),
      height: heights.get(layer.block.join()) ?? null,
    }));
    await tx.modelLayer.createMany({ data });
    for (const { height } of models) await writeSums(tx, height);
  }
  for (const { model, height } of rows.flatMap((row) => row.retires)) {
    const hash = bytes(model);
    await tx.model.updateMany({ where: { hash, retired: null }, data: { retired: height } });
  }
}

/**
 * What the page of a model shows, added up once: its layer blocks are all indexed before it.
 * Sums of bigint are made of numeric, several times as slow; these are exact up to 2^53, and stop at what a
 * column holds.
 */
async function writeSums(tx: Tx, model: number): Promise<void> {
  const sum = (column: string) =>
    Prisma.raw(`least(sum(t."${column}"::float8), 9223372036854774784)::bigint`);
  await tx.$executeRaw`
    UPDATE "ModelLayer" l SET "tensors" = s."tensors", "parameters" = s."parameters",
      "bytes" = s."bytes", "formats" = s."formats"
    FROM (
      SELECT l."position", count(*)::int AS "tensors", ${sum('parameters')} AS "parameters",
        ${sum('byteLength')} AS "bytes", array_agg(DISTINCT t."format") AS "formats"
      FROM "ModelLayer" l JOIN "Tensor" t ON t."height" = l."height"
      WHERE l."model" = ${model} GROUP BY l."position") s
    WHERE l."model" = ${model} AND l."position" = s."position"`;
  await tx.$executeRaw`
    INSERT INTO "ModelPart" ("model", "role", "format", "tensors", "parameters", "bytes")
    SELECT l."model", t."role", t."format", count(*)::int, ${sum('parameters')}, ${sum('byteLength')}
    FROM "ModelLayer" l JOIN "Tensor" t ON t."height" = l."height"
    WHERE l."model" = ${model} GROUP BY l."model", t."role", t."format"`;
}

/** Indexes what was stored before; quick when there is nothing. Safe beside appends, and to repeat. */
export async function indexChains(db: Db, signal?: AbortSignal): Promise<void> {
  // B before A: the layers of a model are looked up by their height.
  for (const chain of ['B', 'A', 'L'] as const) {
    for (let more = true; more; ) {
      signal?.throwIfAborted();
      more = await db.$transaction((tx) => indexBatch(tx, chain), TRANSACTION);
    }
  }
  for (let more = true; more; ) {
    signal?.throwIfAborted();
    more = await db.$transaction(indexFiles, TRANSACTION);
  }
}

/** Files of models that were indexed before this table was; each has one at least. Whether there is more to do. */
async function indexFiles(tx: Tx): Promise<boolean> {
  const models = await tx.$queryRaw<{ height: number }[]>`
    SELECT "height" FROM "Model" m
    WHERE NOT EXISTS (SELECT 1 FROM "ModelFile" WHERE "model" = m."height")
    ORDER BY "height" LIMIT ${BATCH}`;
  const heights = models.map(({ height }) => height);
  const stored = await tx.block.findMany({ where: { chain: 'A', height: { in: heights } } });
  const data = stored.map(reopen).flatMap((block) => rowsOf(block).files);
  await tx.modelFile.createMany({ data, skipDuplicates: true });
  return models.length === BATCH && data.length > 0;
}

/** Whether there is more to do. */
async function indexBatch(tx: Tx, chain: ChainId): Promise<boolean> {
  const [head] = await tx.$queryRaw<{ size: number; indexed: number }[]>`
    SELECT "size", "indexed" FROM "ChainHead" WHERE "chain" = ${chain} FOR UPDATE`;
  if (!head || head.indexed >= head.size) return false;
  const stored = await tx.block.findMany({
    where: { chain, height: { gte: head.indexed } },
    orderBy: { height: 'asc' },
    take: BATCH,
  });
  const blocks = stored.map(reopen);
  const frontier = await frontierAt(tx, chain, head.indexed);
  const nodes = blocks.flatMap((block) => frontier.append(leafHash(block.hash)));
  if (blocks.some((block, i) => block.header.height !== head.indexed + i) || blocks.length === 0) {
    throw corrupt({ chain, height: head.indexed }, 'a block is missing');
  }
  await write(tx, chain, blocks, nodes);
  const sum = blocks.reduce((total, block) => total + sizeOf(block), 0);
  const data = { indexed: frontier.size, bytes: { increment: sum } };
  await tx.chainHead.update({ where: { chain }, data });
  return frontier.size < head.size;
}

async function frontierAt(tx: Tx, chain: ChainId, size: number): Promise<Frontier> {
  const nodes = nodesOf({ start: 0, end: size });
  const kept = await readNodes(tx, chain, nodes);
  const roots = nodes.map(({ level, index }) => {
    const node = kept.find((entry) => entry.level === level && entry.index === index);
    if (!node) throw corrupt({ chain, height: size }, 'a node of the log is missing');
    return node.hash;
  });
  return Frontier.fromBytes(size, joinLeaves(roots));
}

/** Kept nodes of a log; those of level 0 are the leaf hashes of the blocks. */
export async function readNodes(
  tx: Tx,
  chain: ChainId,
  nodes: readonly LogNode[],
): Promise<KeptNode[]> {
  const heights = nodes.filter(({ level }) => level === 0).map(({ index }) => index);
  const inner = nodes.filter(({ level }) => level > 0);
  const leaves =
    heights.length === 0
      ? []
      : await tx.block.findMany({
          where: { chain, height: { in: heights } },
          select: { height: true, hash: true },
        });
  const kept =
    inner.length === 0
      ? []
      : await tx.$queryRaw<KeptNode[]>`
          SELECT "level", "index", "hash" FROM "LogNode"
          WHERE "chain" = ${chain} AND ("level", "index") IN
            (${Prisma.join(inner.map(({ level, index }) => Prisma.sql`(${level}, ${index})`))})`;
  return [
    ...leaves.map(({ height, hash }) => ({ level: 0, index: height, hash: leafHash(hash) })),
    ...kept,
  ];
}
