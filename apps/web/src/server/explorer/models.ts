/** Lists of models and of their tensors, and what differs between two of them. */
import { fromHex, toHex } from '@blyan/chain/hex';
import type { Db } from '@blyan/db/client';
import {
  countOtherLayers,
  diffModels,
  findModel,
  listModels,
  listModelTensors,
  type ModelRow,
  modelSizes,
  tensorsAt,
} from '@blyan/db/explorer';
import {
  encodeCursor,
  type ModelDetails,
  type ModelDiffQuery,
  type ModelsQuery,
  type ModelTensorsQuery,
  type TensorDifference,
} from '@blyan/protocol/explorer';
import { notFound } from '../http/errors.ts';
import { modelSummary, tensorSummary } from './shapes.ts';

const cursorText = (next: { key: string | number; id: number } | null) =>
  next && encodeCursor(next);

export async function readModels(db: Db, query: ModelsQuery) {
  const { rows, next } = await listModels(db, { ...query, cursor: query.cursor ?? null });
  return { models: rows.map(modelSummary), next: cursorText(next) };
}

/** @throws ApiError 404 */
async function requireModel(db: Db, hash: string): Promise<ModelRow> {
  const row = await findModel(db, fromHex(hash));
  if (row) return row;
  throw notFound('model_not_found', `No model block has the hash ${hash}.`, 'hash');
}

export async function readModel(db: Db, hash: string): Promise<ModelDetails> {
  const row = await requireModel(db, hash);
  const { groups, parts } = await modelSizes(db, row.height);
  const sizes = <R extends { parameters: bigint; bytes: bigint }>(part: R) => ({
    ...part,
    parameters: Number(part.parameters),
    bytes: Number(part.bytes),
  });
  return {
    ...modelSummary(row),
    bytes: Number(parts.reduce((sum, part) => sum + part.bytes, 0n)),
    tensors: parts.reduce((sum, part) => sum + part.tensors, 0),
    groups: groups.map((group) => ({ ...sizes(group), block: toHex(group.block) })),
    parts: parts.map(sizes),
  };
}

export async function readModelTensors(db: Db, hash: string, query: ModelTensorsQuery) {
  const { height } = await requireModel(db, hash);
  const { cursor = null, tensorFormat: format, ...rest } = query;
  const { rows, next } = await listModelTensors(db, height, { ...rest, format, cursor });
  return { tensors: rows.map(tensorSummary), next: cursorText(next) };
}

export async function readDifferences(db: Db, hash: string, query: ModelDiffQuery) {
  const [here, there] = await Promise.all([requireModel(db, hash), requireModel(db, query.with)]);
  const { limit, cursor = null } = query;
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
