/** Rows of the database as the API shows them. */
import { toHex } from '@blyan/chain/hex';
import type { ModelRow, TensorRow } from '@blyan/db/explorer';
import type { ModelSummary, TensorSummary } from '@blyan/protocol/explorer';

export const modelSummary = (row: ModelRow): ModelSummary => ({
  hash: toHex(row.hash),
  height: row.height,
  name: row.name,
  family: row.family,
  parameters: Number(row.parameters),
  recipe: row.recipe,
  layers: row.layers,
  retired: row.retired,
});

export const tensorSummary = (row: TensorRow & { block: Uint8Array }): TensorSummary => ({
  name: row.name,
  role: row.role,
  group: row.group,
  dtype: row.dtype,
  format: row.format,
  shape: row.shape.map(Number),
  parameters: Number(row.parameters),
  byteLength: Number(row.byteLength),
  root: toHex(row.root),
  block: toHex(row.block),
  height: row.height,
});

/** Columns of tables of tensors. */
export const TENSOR_COLUMNS = {
  group: (row: TensorSummary) => row.group,
  name: (row: TensorSummary) => row.name,
  role: (row: TensorSummary) => row.role,
  dtype: (row: TensorSummary) => row.dtype,
  format: (row: TensorSummary) => row.format,
  shape: (row: TensorSummary) => row.shape,
  parameters: (row: TensorSummary) => row.parameters,
  byteLength: (row: TensorSummary) => row.byteLength,
  root: (row: TensorSummary) => row.root,
  block: (row: TensorSummary) => row.block,
  height: (row: TensorSummary) => row.height,
};
