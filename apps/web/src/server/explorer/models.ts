/** Lists of models and of their tensors, and what differs between two of them. */
import { fromHex, toHex } from '@blyan/chain/hex';
import type { Db } from '@blyan/db/client';
import {
  areWhole,
  countOtherLayers,
  diffModels,
  findModel,
  listModels,
  listModelTensors,
  type ModelRow,
  modelSizes,
  modelsNamed,
  tensorsAt,
} from '@blyan/db/explorer';
import type {
  ModelDetails,
  ModelDiffQuery,
  ModelSummary,
  ModelsQuery,
  ModelTensorsQuery,
  TensorDifference,
} from '@blyan/protocol/explorer';
import type { ModelSizes } from '../chain/parsed.ts';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';
import { cursorText, MAX_INT, placeIn } from './places.ts';
import { modelSummary, tensorSummary } from './shapes.ts';

/** What the sorted columns hold. */
const KEYS = {
  height: MAX_INT,
  ordinal: MAX_INT,
  name: 'text',
  parameters: Number.MAX_SAFE_INTEGER,
  byteLength: Number.MAX_SAFE_INTEGER,
} as const;

export async function readModels(db: Db, query: ModelsQuery) {
  const cursor = placeIn(query.cursor, KEYS[query.sort]);
  const { rows, next } = await listModels(db, { ...query, cursor });
  return { models: rows.map(modelSummary), next: cursorText(next) };
}

/** Models that one is compared with: so many of its own name, and so many of any. */
const VERSIONS = 50;

/**
 * What a model can be compared with: the newest ones of its name first, then the newest ones of all, since a
 * new version may have a new name.
 * @returns `more`: there are others, to be named by their hash
 */
export async function readOthers(
  db: Db,
  { hash, name }: { hash: string; name: string },
): Promise<{ others: ModelSummary[]; more: boolean }> {
  const newest = { sort: 'height', order: 'desc', limit: VERSIONS, cursor: null } as const;
  const [named, { rows, next }] = await Promise.all([
    modelsNamed(db, name, VERSIONS),
    listModels(db, newest),
  ]);
  const models = new Map([...named, ...rows].map((row) => [row.height, modelSummary(row)]));
  const others = [...models.values()].filter((other) => other.hash !== hash);
  return { others, more: next !== null };
}

/** @throws ApiError 404 */
async function requireModel(db: Db, hash: string): Promise<ModelRow> {
  const row = await findModel(db, fromHex(hash));
  if (row) return row;
  throw notFound('model_not_found', `No model block has the hash ${hash}.`, 'hash');
}

/** @throws ApiError 404 */
export async function readModel(
  { db, parsed }: Pick<Context, 'db' | 'parsed'>,
  hash: string,
): Promise<ModelDetails> {
  const row = await requireModel(db, hash);
  const known = parsed.sizes.get(hash);
  if (known) return { ...modelSummary(row), ...known };
  const sizes = sizesOf(await modelSizes(db, row.height));
  // A layer block that is not here may come later; then nothing changes any more.
  if (sizes.groups.every(({ height }) => height !== null)) parsed.sizes.set(hash, sizes);
  return { ...modelSummary(row), ...sizes };
}

function sizesOf({ groups, parts }: Awaited<ReturnType<typeof modelSizes>>): ModelSizes {
  const numbers = <R extends { parameters: bigint; bytes: bigint }>(part: R) => ({
    ...part,
    parameters: Number(part.parameters),
    bytes: Number(part.bytes),
  });
  return {
    bytes: Number(parts.reduce((sum, part) => sum + part.bytes, 0n)),
    tensors: parts.reduce((sum, part) => sum + part.tensors, 0),
    groups: groups.map((group) => ({ ...numbers(group), block: toHex(group.block) })),
    parts: parts.map(numbers),
  };
}

/** Of models by their hashes; to be asked before their tensors are read. @throws ApiError 404 */
export async function areModelsWhole(db: Db, hashes: readonly string[]): Promise<boolean> {
  const models = await Promise.all(hashes.map((hash) => requireModel(db, hash)));
  return await areWhole(
    db,
    models.map(({ height }) => height),
  );
}

export async function readModelTensors(db: Db, hash: string, query: ModelTensorsQuery) {
  const { height } = await requireModel(db, hash);
  const { tensorFormat: format, ...rest } = query;
  const cursor = placeIn(query.cursor, KEYS[query.sort]);
  const { rows, next } = await listModelTensors(db, height, { ...rest, format, cursor });
  return { tensors: rows.map(tensorSummary), next: cursorText(next) };
}

export async function readDifferences(db: Db, hash: string, query: ModelDiffQuery) {
  const [here, there] = await Promise.all([requireModel(db, hash), requireModel(db, query.with)]);
  const { limit } = query;
  const cursor = placeIn(query.cursor, MAX_INT);
  const both = [here.height, there.height] as const;
  const [{ rows, next }, layers] = await Promise.all([
    diffModels(db, both, { limit, cursor }),
    countOtherLayers(db, both),
  ]);
  const places = rows.flatMap((row) => [row.here ?? [], row.there ?? []].flat());
  const tensors = new Map(
    (await tensorsAt(db, places)).map((row) => [`${row.height}/${row.position}`, row]),
  );
  const side = (place: { height: number; position: number } | null) => {
    const row = place && tensors.get(`${place.height}/${place.position}`);
    return row ? tensorSummary(row) : null;
  };
  const differences = rows.map(
    (row): TensorDifference => ({
      name: row.name,
      here: side(row.here),
      there: side(row.there),
    }),
  );
  return { differences, layers, next: cursorText(next) };
}
