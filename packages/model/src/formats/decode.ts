/** Stored bytes to binary32: whole tensors for tests, rows for the embedding. Shapes [N, K] or [K]. */
import type { TensorDescriptor } from '@blyan/chain/types';
import { ModelError } from '../errors.ts';
import { widen, words16 } from './convert.ts';
import { f16ToF32Bits } from './half.ts';
import { BLOCK, byteLength, elements, FLOAT_BYTES, quantLayout, rowsOf } from './layout.ts';

type Stored = Pick<TensorDescriptor, 'name' | 'format' | 'shape'>;

/** Writes row `row` to the start of `out`. @throws RangeError outside of the tensor */
export type RowDecoder = (row: number, out: Float32Array) => void;

/** @param bytes the stored bytes; they are read in place at every call, not copied */
export function rowDecoder(descriptor: Stored, bytes: Uint8Array): RowDecoder {
  const { name, format, shape } = descriptor;
  const expected = byteLength(format, shape);
  if (bytes.byteLength !== expected) {
    throw new ModelError('LENGTH_MISMATCH', { tensor: name, expected, found: bytes.byteLength });
  }
  const [rows, columns] = rowsOf(shape);
  const decode =
    format === 'q8' || format === 'q4'
      ? quantizedRow(format, shape, bytes)
      : floatRow(format, columns, bytes);
  return (row, out) => {
    if (!Number.isInteger(row) || row < 0 || row >= rows || columns > out.length) {
      throw new RangeError(`row ${row} of ${name} [${shape.join(', ')}] into ${out.length} values`);
    }
    decode(row, out);
  };
}

/** f32 values, row-major in the descriptor's shape. */
export function decodeTensor(descriptor: Stored, bytes: Uint8Array): Float32Array {
  const decode = rowDecoder(descriptor, bytes);
  const out = new Float32Array(elements(descriptor.shape));
  const [rows, columns] = rowsOf(descriptor.shape);
  for (let row = 0; row < rows; row++)
    decode(row, out.subarray(row * columns, (row + 1) * columns));
  return out;
}

function floatRow(format: 'f32' | 'f16' | 'bf16', columns: number, bytes: Uint8Array): RowDecoder {
  const length = columns * FLOAT_BYTES[format];
  const bits = new Uint32Array(columns);
  const values = new Float32Array(bits.buffer);
  return (row, out) => {
    widen(bytes.subarray(row * length, (row + 1) * length), format, bits);
    out.set(values);
  };
}

function quantizedRow(
  format: 'q8' | 'q4',
  shape: readonly number[],
  bytes: Uint8Array,
): RowDecoder {
  const { columns, blocks, blockBytes, dataBytes, bits } = quantLayout(format, shape);
  const scales = words16(bytes.subarray(dataBytes));
  const zero = 1 << (bits - 1);
  const cell = new Uint32Array(1);
  const cellValue = new Float32Array(cell.buffer);
  return (row, out) => {
    for (let block = 0; block < blocks; block++) {
      const index = row * blocks + block;
      cell[0] = f16ToF32Bits(scales[index]!);
      const scale = cellValue[0]!;
      const from = index * blockBytes;
      const count = Math.min(BLOCK, columns - block * BLOCK);
      for (let j = 0; j < count; j++) {
        const byte = bytes[bits === 8 ? from + j : from + (j >> 1)]!;
        const code = bits === 8 ? byte : j & 1 ? byte >> 4 : byte & 15;
        out[block * BLOCK + j] = (code - zero) * scale;
      }
    }
  };
}
