/** Stored formats: names, sizes and segments. Specification: docs/formats.md. */
import type { Recipe, StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import { ModelError } from '../errors.ts';

/** Types of a source checkpoint. */
export type SourceDtype = TensorDescriptor['dtype'];

export const FORMATS: readonly StoredFormat[] = ['f32', 'f16', 'bf16', 'q8', 'q4'];
/** Weights that share one scale, along K. */
export const BLOCK = 32;

/** Bytes of one value of a float format. */
export const FLOAT_BYTES = { f32: 4, f16: 2, bf16: 2 } as const;

export const isQuantized = (format: StoredFormat): format is 'q8' | 'q4' =>
  format === 'q8' || format === 'q4';

export const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** [rows, row length]: the last dimension against all others; a vector is one row. */
export function rowsOf(shape: readonly number[]): [rows: number, length: number] {
  const length = shape.at(-1) ?? 1;
  return [elements(shape) / length, length];
}

export interface QuantLayout {
  /** N. */
  rows: number;
  /** K. */
  columns: number;
  /** ceil(K / BLOCK). */
  blocks: number;
  bits: 4 | 8;
  /** Bytes of one block's data. */
  blockBytes: number;
  /** Bytes of the data segment [N, blocks, blockBytes]; the scales [N, blocks] follow it. */
  dataBytes: number;
  scaleBytes: number;
}

export function quantLayout(format: 'q8' | 'q4', shape: readonly number[]): QuantLayout {
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    throw new ModelError(
      'FORMAT_UNSUPPORTED',
      { format, shape },
      `${format} holds matrices only, not shape [${shape.join(', ')}].`,
    );
  }
  const bits = format === 'q4' ? 4 : 8;
  const blocks = Math.ceil(columns / BLOCK);
  const blockBytes = (BLOCK * bits) / 8;
  const dataBytes = rows * blocks * blockBytes;
  return { rows, columns, blocks, bits, blockBytes, dataBytes, scaleBytes: rows * blocks * 2 };
}

/** Bytes of a stored tensor. */
export function byteLength(format: StoredFormat, shape: readonly number[]): number {
  if (!isQuantized(format)) return elements(shape) * FLOAT_BYTES[format];
  const { dataBytes, scaleBytes } = quantLayout(format, shape);
  return dataBytes + scaleBytes;
}

/**
 * The format in which a tensor is really stored when `wanted` is asked for: only matrices are
 * quantized, everything else (norms) keeps the source's type.
 */
export const formatFor = (
  wanted: StoredFormat | null,
  dtype: SourceDtype,
  shape: readonly number[],
): StoredFormat =>
  wanted === null || (isQuantized(wanted) && shape.length !== 2) ? dtype : wanted;

/** How the stored bytes were made from the source's. A changed algorithm is a new version. */
export function recipeFor(dtype: SourceDtype, format: StoredFormat): Recipe {
  if (dtype === format) return { name: 'raw', version: 1 };
  if (isQuantized(format)) return { name: `${format}-sym-${BLOCK}`, version: 1 };
  return { name: format === 'f32' ? 'widen-f32' : `round-${format}`, version: 1 };
}
