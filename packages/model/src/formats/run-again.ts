/**
 * A recorded recipe, run once more over the bytes of a checkpoint file: what the import did, without a
 * disk or a chain, so that anyone who has the file can see that the blocks were made from it. Runs in
 * browsers; holds one batch of rows.
 */
import { equalBytes, toHex } from '@blyan/chain/hex';
import type { TensorDescriptor } from '@blyan/chain/types';
import { LeafHasher } from '../import/leaf-hasher.ts';
import { widen } from './convert.ts';
import { rowEncoder } from './encode.ts';
import { recipeFor, rowsOf, rowsTogether } from './layout.ts';

/** Source bytes of one step: enough to be fast, little enough for a phone. */
const BATCH_BYTES = 2 ** 22;

/** Bytes of the file, end exclusive. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>;

export interface Scales {
  bytes: Uint8Array;
  dtype: 'f32' | 'f16' | 'bf16';
}

export interface Rerun {
  /** Merkle root of the raw bytes: recorded, and found in the file. Hex. */
  source: { expected: string; actual: string };
  /** Of the bytes that the recipe makes; null where this version cannot run it, and `reason` says why. */
  stored: { expected: string; actual: string } | null;
  reason: string | null;
  ok: boolean;
}

/** Whether this version can run the recipe that a tensor records. */
export function canRunAgain({ dtype, format, recipe }: TensorDescriptor): boolean {
  const own = recipeFor(dtype, format);
  return own.name === recipe.name && own.version === recipe.version;
}

/**
 * @param onBytes sees all source bytes, in order
 * @throws ModelError VALUE_NOT_FINITE, VALUE_OUT_OF_RANGE, LENGTH_MISMATCH; what `read` throws
 */
export async function runAgain(
  tensor: TensorDescriptor,
  read: ReadRange,
  options: { scales?: Scales | null; onBytes?: (bytes: Uint8Array) => void } = {},
): Promise<Rerun> {
  const { dtype, shape, format, name, source } = tensor;
  const { onBytes, scales } = options;
  const [rows] = rowsOf(shape);
  const rowBytes = source.length / rows;
  const unit = rowBytes * rowsTogether(format);
  const step = Math.max(1, Math.floor(BATCH_BYTES / unit)) * unit;
  const reason = reasonAgainst(tensor, scales ?? null);
  const encoder = reason
    ? null
    : rowEncoder(
        { name, shape, dtype, scales: scales ? widened(scales) : undefined },
        format,
        Math.min(rows, step / rowBytes),
      );
  const raw = new LeafHasher();
  const stored = new LeafHasher();
  const end = source.offset + source.length;
  for (let at = source.offset; at < end; at += step) {
    const bytes = await read(at, Math.min(end, at + step));
    onBytes?.(bytes);
    raw.update(bytes);
    if (encoder) stored.update(encoder.push(bytes));
  }
  if (encoder) stored.update(encoder.finish());
  const [rawRoot, root] = [raw.root(), encoder ? stored.root() : null];
  return {
    source: { expected: toHex(source.root), actual: toHex(rawRoot) },
    stored: root && { expected: toHex(tensor.root), actual: toHex(root) },
    reason,
    ok: equalBytes(rawRoot, source.root) && (root === null || equalBytes(root, tensor.root)),
  };
}

function reasonAgainst(tensor: TensorDescriptor, scales: Scales | null): string | null {
  const { recipe, dtype } = tensor;
  if (!canRunAgain(tensor)) return `the recipe ${recipe.name} ${recipe.version} is not run here`;
  if (dtype === 'fp8' && !scales) return 'its scales are in another file';
  return null;
}

function widened({ bytes, dtype }: Scales): Float32Array {
  const scales = new Float32Array(bytes.byteLength / (dtype === 'f32' ? 4 : 2));
  widen(bytes, dtype, new Uint32Array(scales.buffer));
  return scales;
}
