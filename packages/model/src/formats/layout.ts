/** Stored formats: names, sizes and segments. Specification: docs/formats.md. */
import type { Recipe, StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import { ModelError } from '../errors.ts';

/** Types of a source checkpoint; `fp8` comes with block scales beside it. */
export type SourceDtype = TensorDescriptor['dtype'];
/** Types of which every value stands alone. */
export type FloatDtype = 'f32' | 'f16' | 'bf16';
/** Formats with one scale for a run of weights along K. */
export type RunFormat = 'q8' | 'q4' | 'nf4';

export const FORMATS: readonly StoredFormat[] = ['f32', 'f16', 'bf16', 'fp8', 'q8', 'q4', 'nf4'];

/**
 * Weights along K that share one scale, in what is stored from now on. q4: see docs/formats.md. nf4: as
 * the codebook's authors have it.
 */
export const BLOCK = { q8: 32, q4: 128, nf4: 64 } as const satisfies Record<RunFormat, number>;
/** Those that a recipe may have; q4 was stored with 32 before. */
const BLOCKS: Readonly<Record<RunFormat, readonly number[]>> = {
  q8: [32, 64, 128],
  q4: [32, 64, 128],
  nf4: [BLOCK.nf4],
};
/** In fp8, along both N and K, as published checkpoints have it. */
export const FP8_BLOCK = 128;

/** Name of the tensor with the scales of an fp8 tensor, as published checkpoints have it. */
export const scalesName = (tensor: string) => `${tensor}_scale_inv`;

/** Bytes of one value of a type, without scales. */
export const VALUE_BYTES = { f32: 4, f16: 2, bf16: 2, fp8: 1 } as const;

export const isQuantized = (format: StoredFormat): format is RunFormat | 'fp8' =>
  isRunFormat(format) || format === 'fp8';

export const isRunFormat = (format: StoredFormat): format is RunFormat =>
  format === 'q8' || format === 'q4' || format === 'nf4';

export const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** [rows, row length]: the last dimension against all others; a vector is one row. */
export function rowsOf(shape: readonly number[]): [rows: number, length: number] {
  const length = shape.at(-1) ?? 1;
  return [elements(shape) / length, length];
}

/** @throws ModelError FORMAT_UNSUPPORTED unless the shape is [N, K] */
function matrix(format: StoredFormat, shape: readonly number[]): [rows: number, columns: number] {
  const [rows, columns] = shape;
  if (shape.length === 2 && rows !== undefined && columns !== undefined) return [rows, columns];
  throw new ModelError(
    'FORMAT_UNSUPPORTED',
    { format, shape },
    `${format} holds matrices only, not shape [${shape.join(', ')}].`,
  );
}

export interface RunLayout {
  /** N. */
  rows: number;
  /** K. */
  columns: number;
  /** Weights of one block. */
  block: number;
  /** ceil(K / block). */
  blocks: number;
  bits: 4 | 8;
  /** Bytes of one block's data. */
  blockBytes: number;
  /** Bytes of the data segment [N, blocks, blockBytes]; the scales [N, blocks] follow it. */
  dataBytes: number;
  scaleBytes: number;
}

/**
 * @param block weights along K that share one scale
 * @throws ModelError FORMAT_UNSUPPORTED unless the shape is [N, K]
 */
export function runLayout(
  format: RunFormat,
  shape: readonly number[],
  block: number = BLOCK[format],
): RunLayout {
  const [rows, columns] = matrix(format, shape);
  const bits = format === 'q8' ? 8 : 4;
  const blocks = Math.ceil(columns / block);
  const blockBytes = (block * bits) / 8;
  const dataBytes = rows * blocks * blockBytes;
  return {
    rows,
    columns,
    block,
    blocks,
    bits,
    blockBytes,
    dataBytes,
    scaleBytes: rows * blocks * 2,
  };
}

/** What of a descriptor tells how its bytes are laid out. */
export type Stored = Pick<TensorDescriptor, 'name' | 'format' | 'shape' | 'recipe'>;

/**
 * The layout of a stored q8, q4 or nf4. Its recipe has the last word on the block: byte lengths don't
 * tell 32 from 64 for every K.
 *
 * @throws ModelError FORMAT_UNSUPPORTED for another format or recipe, or unless the shape is [N, K]
 */
export function storedRunLayout({ name, format, shape, recipe }: Stored): RunLayout {
  if (isRunFormat(format)) {
    const block = BLOCKS[format].find((size) => {
      const known = runRecipe(format, size);
      return known.name === recipe.name && known.version === recipe.version;
    });
    if (block !== undefined) return runLayout(format, shape, block);
  }
  throw new ModelError(
    'FORMAT_UNSUPPORTED',
    { tensor: name, format, recipe },
    `${name} is ${format} by the recipe ${recipe.name} ${recipe.version}, which is not known here.`,
  );
}

export interface Fp8Layout {
  /** N. */
  rows: number;
  /** K. */
  columns: number;
  /** ceil(N / 128). */
  rowBlocks: number;
  /** ceil(K / 128). */
  columnBlocks: number;
  /** Bytes of the data segment [N, K]; the f32 scales [rowBlocks, columnBlocks] follow it. */
  dataBytes: number;
  scaleBytes: number;
}

/** @throws ModelError FORMAT_UNSUPPORTED unless the shape is [N, K] */
export function fp8Layout(shape: readonly number[]): Fp8Layout {
  const [rows, columns] = matrix('fp8', shape);
  const rowBlocks = Math.ceil(rows / FP8_BLOCK);
  const columnBlocks = Math.ceil(columns / FP8_BLOCK);
  const scaleBytes = rowBlocks * columnBlocks * 4;
  return { rows, columns, rowBlocks, columnBlocks, dataBytes: rows * columns, scaleBytes };
}

/** Bytes of a tensor that is stored from now on, in the format's own blocks. */
export function byteLength(format: StoredFormat, shape: readonly number[]): number {
  if (format === 'fp8') {
    const { dataBytes, scaleBytes } = fp8Layout(shape);
    return dataBytes + scaleBytes;
  }
  if (!isRunFormat(format)) return elements(shape) * VALUE_BYTES[format];
  const { dataBytes, scaleBytes } = runLayout(format, shape);
  return dataBytes + scaleBytes;
}

/** Bytes of a stored tensor. @throws ModelError FORMAT_UNSUPPORTED for a recipe that is not known */
export function storedLength(tensor: Stored): number {
  if (!isRunFormat(tensor.format)) return byteLength(tensor.format, tensor.shape);
  const { dataBytes, scaleBytes } = storedRunLayout(tensor);
  return dataBytes + scaleBytes;
}

/** Rows that an encoder needs together: all pieces but a tensor's last are multiples of it. */
export const rowsTogether = (format: StoredFormat): number => (format === 'fp8' ? FP8_BLOCK : 1);

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
  if (dtype === format) return { name: dtype === 'fp8' ? 'raw-fp8' : 'raw', version: 1 };
  switch (format) {
    case 'f32':
      return { name: 'widen-f32', version: 1 };
    case 'f16':
    case 'bf16':
      return { name: `round-${format}`, version: 1 };
    case 'fp8':
      return { name: `fp8-absmax-${FP8_BLOCK}`, version: 1 };
    default:
      return runRecipe(format, BLOCK[format]);
  }
}

const runRecipe = (format: RunFormat, block: number): Recipe => ({
  name: `${format}-${format === 'nf4' ? 'absmax' : 'sym'}-${block}`,
  version: 1,
});
