/**
 * A recorded recipe, run once more over the bytes of a checkpoint file: what the import did, without a
 * disk or a chain, so that anyone who has the file can see that the blocks were made from it. Runs in
 * browsers; holds one batch of rows.
 */
import { toHex } from '@blyan/chain/hex';
import { rootOfBytes } from '@blyan/chain/merkle';
import type { Hash, TensorDescriptor } from '@blyan/chain/types';
import { ModelError, type ModelErrorCode } from '../errors.ts';
import { LeafHasher } from '../import/leaf-hasher.ts';
import { widen } from './convert.ts';
import { type RowEncoder, rowEncoder } from './encode.ts';
import {
  isRunFormat,
  recipeFor,
  rowsOf,
  rowsTogether,
  storedRunLayout,
  VALUE_BYTES,
} from './layout.ts';

/** Source bytes of one step: enough to be fast, little enough for a phone. */
const BATCH_BYTES = 2 ** 22;

/** What an import refuses a tensor for by its weights. */
const REFUSALS: ReadonlySet<ModelErrorCode> = new Set(['VALUE_NOT_FINITE', 'VALUE_OUT_OF_RANGE']);

/** Bytes of the file, end exclusive. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

/** Of an fp8 tensor, as the file has them: one for each block of 128 x 128. */
export interface Scales {
  bytes: Uint8Array;
  dtype: 'f32' | 'bf16';
}

/** Merkle roots in hex: the recorded one, and that of what was found or made. */
interface Roots {
  expected: string;
  actual: string;
}

export interface Rerun {
  /** Of the raw bytes in the file. */
  source: Roots;
  /** Of the raw scales in the file; null but for an fp8 tensor with scales at hand. */
  scales: Roots | null;
  /** Of the bytes that the recipe makes; null where it was not run to its end, see `reason` and `refused`. */
  stored: Roots | null;
  /** Why the recipe cannot be run. */
  reason: string | null;
  /** Why no import makes anything of these weights: NaN, an infinity, a value too large for the format. */
  refused: string | null;
  /** Everything that could be compared is equal. */
  ok: boolean;
}

/**
 * @param scales of an fp8 tensor, as many as its shape calls for
 * @param onBytes sees all source bytes, in order
 * @throws what `read` throws
 */
export async function runAgain(
  tensor: TensorDescriptor,
  read: ReadRange,
  options: { scales?: Scales | null; onBytes?: (bytes: Uint8Array) => void } = {},
): Promise<Rerun> {
  const { shape, format, source } = tensor;
  const { onBytes, scales = null } = options;
  const [rows] = rowsOf(shape);
  const rowBytes = source.length / rows;
  const unit = rowBytes * rowsTogether(format);
  const step = Math.max(1, Math.floor(BATCH_BYTES / unit)) * unit;
  const raw = new LeafHasher();
  const made = new LeafHasher();
  const recipe = new Recipe(() => encoderOf(tensor, scales, Math.min(rows, step / rowBytes)));
  const end = source.offset + source.length;
  for (let at = source.offset; at < end; at += step) {
    const bytes = await read(at, Math.min(end, at + step));
    onBytes?.(bytes);
    raw.update(bytes);
    recipe.run((encoder) => made.update(encoder.push(bytes)));
  }
  recipe.run((encoder) => made.update(encoder.finish()));
  const { reason, refused } = recipe;
  const roots = {
    source: pair(source.root, raw.root()),
    scales: source.scales && scales ? pair(source.scales.root, rootOfBytes(scales.bytes)) : null,
    stored: recipe.encoder ? pair(tensor.root, made.root()) : null,
  };
  const equal = Object.values(roots).every((two) => !two || two.expected === two.actual);
  return { ...roots, reason, refused, ok: equal && refused === null };
}

const pair = (expected: Hash, actual: Hash): Roots => ({
  expected: toHex(expected),
  actual: toHex(actual),
});

/** An encoder, as long as nothing speaks against it. */
class Recipe {
  encoder: RowEncoder | null = null;
  reason: string | null = null;
  refused: string | null = null;

  constructor(make: () => RowEncoder) {
    this.#attempt(() => {
      this.encoder = make();
    });
  }

  run(work: (encoder: RowEncoder) => void): void {
    this.#attempt(() => {
      if (this.encoder) work(this.encoder);
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      if (REFUSALS.has(error.code)) this.refused = error.message;
      else if (error.code === 'FORMAT_UNSUPPORTED') this.reason = error.message;
      else throw error;
      this.encoder = null;
    }
  }
}

/** @throws ModelError FORMAT_UNSUPPORTED when it cannot be run here, and as `rowEncoder` */
function encoderOf(tensor: TensorDescriptor, scales: Scales | null, maxRows: number): RowEncoder {
  const { name, shape, dtype, format, recipe } = tensor;
  const own = recipeFor(dtype, format);
  const known = own.name === recipe.name && own.version === recipe.version;
  // Throws for a recipe that is not known either.
  const block = isRunFormat(format) ? storedRunLayout(tensor).block : undefined;
  if (!known && block === undefined) {
    throw unsupported(tensor, `the recipe ${recipe.name} ${recipe.version} is not known here`);
  }
  if (dtype === 'fp8' && !scales) throw unsupported(tensor, 'its scales are not in this file');
  const values = scales ? widened(scales) : undefined;
  return rowEncoder({ name, shape, dtype, scales: values }, format, maxRows, block);
}

const unsupported = ({ name: tensor, format, recipe }: TensorDescriptor, why: string) =>
  new ModelError('FORMAT_UNSUPPORTED', { tensor, format, recipe }, why);

function widened({ bytes, dtype }: Scales): Float32Array {
  const scales = new Float32Array(bytes.byteLength / VALUE_BYTES[dtype]);
  widen(bytes, dtype, new Uint32Array(scales.buffer));
  return scales;
}
