/**
 * Source bytes to stored bytes, row by row, without allocating per row or block. Deterministic: equal
 * bytes and recipe give equal bytes on every machine, since every step is one correctly rounded
 * IEEE operation. Little-endian hosts only, as all that Node runs the engine on.
 */
import type { StoredFormat } from '@blyan/chain/types';
import { ModelError } from '../errors.ts';
import { allFinite, notFinite, outOfRange, widen } from './convert.ts';
import { fp8Values } from './decode.ts';
import { allFiniteFp8, FP8_MAX, Fp8Quantizer } from './fp8.ts';
import { f32ToBf16Bits, f32ToF16Bits } from './half.ts';
import {
  byteLength,
  elements,
  type FloatDtype,
  FP8_BLOCK,
  fp8Layout,
  rowsOf,
  type SourceDtype,
  VALUE_BYTES,
} from './layout.ts';
import { Nf4Quantizer } from './nf4.ts';
import { Quantizer } from './quantize.ts';

export interface SourceShape {
  name: string;
  shape: readonly number[];
  dtype: SourceDtype;
  /** Of an fp8 source: [ceil(N / 128), ceil(K / 128)], row-major. */
  scales?: Float32Array | undefined;
}

/** Encodes whole rows in order. Quantized scales come last in a tensor, so they are kept until then. */
export interface RowEncoder {
  /**
   * Source bytes of one or more whole rows (for fp8 of multiples of 128, see `rowsTogether`); the
   * result is valid until the next call.
   */
  push(rows: Uint8Array): Uint8Array;
  /** What follows the data of all rows. */
  finish(): Uint8Array;
}

const EMPTY = new Uint8Array(0);

/**
 * @param maxRows most rows that one push will carry
 * @param block of q8 and q4: weights that share a scale, to run an older recipe again
 * @throws ModelError VALUE_NOT_FINITE for NaN and infinities, VALUE_OUT_OF_RANGE where rounding would make one
 */
export function rowEncoder(
  tensor: SourceShape,
  format: StoredFormat,
  maxRows: number,
  block?: number,
): RowEncoder {
  const { dtype, name, shape } = tensor;
  if (dtype === 'fp8') return fromFp8(tensor, format, maxRows, block);
  if (dtype === format) {
    return {
      push(rows) {
        if (!allFinite(rows, dtype)) throw notFinite(name);
        return rows;
      },
      finish: () => EMPTY,
    };
  }
  const source = { name, shape, dtype };
  switch (format) {
    case 'f32':
    case 'f16':
    case 'bf16':
      return floatEncoder(source, format, maxRows);
    case 'fp8':
      return quantized(new Fp8Quantizer(source, maxRows));
    case 'nf4':
      return quantized(new Nf4Quantizer(source, maxRows));
    default:
      return quantized(new Quantizer(source, format, maxRows, block));
  }
}

const quantized = (quantizer: Fp8Quantizer | Nf4Quantizer | Quantizer): RowEncoder => ({
  push: (rows) => quantizer.push(rows),
  finish: () => quantizer.scales(),
});

function floatEncoder(
  { name, shape, dtype }: { name: string; shape: readonly number[]; dtype: FloatDtype },
  format: FloatDtype,
  maxRows: number,
): RowEncoder {
  const [, columns] = rowsOf(shape);
  const bits = new Uint32Array(maxRows * columns);
  const narrow = format === 'f32' ? null : new Uint16Array(bits.length);
  return {
    push(rows) {
      const count = widen(rows, dtype, bits);
      if (!allFinite(new Uint8Array(bits.buffer, 0, count * 4), 'f32')) throw notFinite(name);
      if (narrow === null) return new Uint8Array(bits.buffer, 0, count * 4);
      const round = format === 'f16' ? f32ToF16Bits : f32ToBf16Bits;
      const infinity = format === 'f16' ? 0x7c00 : 0x7f80;
      for (let i = 0; i < count; i++) {
        const half = round(bits[i]!);
        if ((half & infinity) === infinity) throw outOfRange(name, format);
        narrow[i] = half;
      }
      return new Uint8Array(narrow.buffer, 0, count * 2);
    },
    finish: () => EMPTY,
  };
}

/** Kept as it is, scales behind the codes; for every other format the way goes through binary32. */
function fromFp8(
  tensor: SourceShape,
  format: StoredFormat,
  maxRows: number,
  block: number | undefined,
): RowEncoder {
  const { name, shape, scales } = tensor;
  const { columns, rowBlocks, columnBlocks } = fp8Layout(shape);
  if (scales?.length !== rowBlocks * columnBlocks) {
    throw new RangeError(`${name} takes ${rowBlocks * columnBlocks} scales`);
  }
  for (const scale of scales) {
    if (!Number.isFinite(scale)) throw notFinite(name);
    if (!Number.isFinite(Math.fround(scale * FP8_MAX))) throw outOfRange(name, format);
  }
  const check = (rows: Uint8Array) => {
    if (!allFiniteFp8(rows)) throw notFinite(name);
  };
  if (format === 'fp8') {
    return {
      push(rows) {
        check(rows);
        return rows;
      },
      finish: () => new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength),
    };
  }
  const values = new Float32Array(maxRows * columns);
  const bytes = new Uint8Array(values.buffer);
  const next = rowEncoder({ name, shape, dtype: 'f32' }, format, maxRows, block);
  let row = 0;
  return {
    push(rows) {
      check(rows);
      for (let at = 0; at < rows.length; at += columns, row++) {
        const codes = rows.subarray(at, at + columns);
        const first = Math.floor(row / FP8_BLOCK) * columnBlocks;
        fp8Values(codes, scales, first, values.subarray(at, at + columns));
      }
      return next.push(bytes.subarray(0, rows.length * 4));
    },
    finish: () => next.finish(),
  };
}

/** A whole tensor at once. */
export function encodeTensor(
  tensor: SourceShape,
  format: StoredFormat,
  source: Uint8Array,
): Uint8Array {
  const expected = elements(tensor.shape) * VALUE_BYTES[tensor.dtype];
  if (source.byteLength !== expected) {
    throw new ModelError('LENGTH_MISMATCH', {
      tensor: tensor.name,
      expected,
      found: source.byteLength,
    });
  }
  const [rows] = rowsOf(tensor.shape);
  const encoder = rowEncoder(tensor, format, rows);
  const out = new Uint8Array(byteLength(format, tensor.shape));
  const data = encoder.push(source);
  out.set(data);
  out.set(encoder.finish(), data.byteLength);
  return out;
}
