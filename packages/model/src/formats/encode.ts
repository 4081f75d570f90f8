/**
 * Source bytes to stored bytes, row by row, without allocating per row or block. Deterministic: equal
 * bytes and recipe give equal bytes on every machine, since every step is one correctly rounded
 * IEEE operation. Little-endian hosts only, as all that Node runs the engine on.
 */
import type { StoredFormat } from '@blyan/chain/types';
import { ModelError } from '../errors.ts';
import { allFinite, notFinite, outOfRange, widen } from './convert.ts';
import { f32ToBf16Bits, f32ToF16Bits } from './half.ts';
import {
  byteLength,
  elements,
  FLOAT_BYTES,
  isQuantized,
  rowsOf,
  type SourceDtype,
} from './layout.ts';
import { Quantizer } from './quantize.ts';

/** Encodes whole rows in order. Quantized scales come last in a tensor, so they are kept until then. */
export interface RowEncoder {
  /** Source bytes of one or more whole rows; the result is valid until the next call. */
  push(rows: Uint8Array): Uint8Array;
  /** What follows the data of all rows. */
  finish(): Uint8Array;
}

const EMPTY = new Uint8Array(0);

/**
 * @param maxRows most rows that one push will carry
 * @throws ModelError VALUE_NOT_FINITE for NaN and infinities, VALUE_OUT_OF_RANGE where rounding would make one
 */
export function rowEncoder(
  tensor: { name: string; shape: readonly number[]; dtype: SourceDtype },
  format: StoredFormat,
  maxRows: number,
): RowEncoder {
  const { dtype, shape, name } = tensor;
  const [, columns] = rowsOf(shape);
  if (dtype === format) {
    return {
      push(rows) {
        if (!allFinite(rows, dtype)) throw notFinite(name);
        return rows;
      },
      finish: () => EMPTY,
    };
  }
  if (isQuantized(format)) {
    const quantizer = new Quantizer(tensor, format, maxRows);
    return { push: (rows) => quantizer.push(rows), finish: () => quantizer.scales() };
  }
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

/** A whole tensor at once. */
export function encodeTensor(
  tensor: { name: string; shape: readonly number[]; dtype: SourceDtype },
  format: StoredFormat,
  source: Uint8Array,
): Uint8Array {
  const expected = elements(tensor.shape) * FLOAT_BYTES[tensor.dtype];
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
