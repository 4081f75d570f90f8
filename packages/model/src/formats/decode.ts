/** Stored bytes to binary32: whole tensors for tests, rows for the embedding. Shapes [N, K] or [K]. */
import { ModelError } from '../errors.ts';
import { widen, words16, words32 } from './convert.ts';
import { E4M3 } from './fp8.ts';
import { f16ToF32Bits } from './half.ts';
import {
  elements,
  type FloatDtype,
  FP8_BLOCK,
  fp8Layout,
  isRunFormat,
  type RunFormat,
  type RunLayout,
  rowsOf,
  type Stored,
  storedLength,
  storedRunLayout,
  VALUE_BYTES,
} from './layout.ts';
import { NF4 } from './nf4.ts';

/** Writes row `row` to the start of `out`. @throws RangeError outside of the tensor */
export type RowDecoder = (row: number, out: Float32Array) => void;

/** @throws ModelError LENGTH_MISMATCH, and FORMAT_UNSUPPORTED for a recipe that is not known */
export function checkLength(tensor: Stored, bytes: Uint8Array): void {
  const expected = storedLength(tensor);
  if (bytes.byteLength !== expected) {
    throw new ModelError('LENGTH_MISMATCH', {
      tensor: tensor.name,
      expected,
      found: bytes.byteLength,
    });
  }
}

/** @param bytes the stored bytes; they are read in place at every call, not copied */
export function rowDecoder(descriptor: Stored, bytes: Uint8Array): RowDecoder {
  checkLength(descriptor, bytes);
  const { name, shape } = descriptor;
  const [rows, columns] = rowsOf(shape);
  const decode = decoderOf(descriptor, columns, bytes);
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

function decoderOf(tensor: Stored, columns: number, bytes: Uint8Array): RowDecoder {
  const { format, shape } = tensor;
  if (format === 'fp8') return fp8Row(shape, bytes);
  return isRunFormat(format)
    ? runRow(format, storedRunLayout(tensor), bytes)
    : floatRow(format, columns, bytes);
}

function floatRow(format: FloatDtype, columns: number, bytes: Uint8Array): RowDecoder {
  const length = columns * VALUE_BYTES[format];
  const bits = new Uint32Array(columns);
  const values = new Float32Array(bits.buffer);
  return (row, out) => {
    widen(bytes.subarray(row * length, (row + 1) * length), format, bits);
    out.set(values);
  };
}

function fp8Row(shape: readonly number[], bytes: Uint8Array): RowDecoder {
  const { columns, columnBlocks, dataBytes } = fp8Layout(shape);
  const scales = new Float32Array(words32(bytes.subarray(dataBytes)).slice().buffer);
  return (row, out) => {
    const ofRow = Math.floor(row / FP8_BLOCK) * columnBlocks;
    fp8Values(bytes.subarray(row * columns, (row + 1) * columns), scales, ofRow, out);
  };
}

/** One row of codes times its scales, which begin at `scales[at]`: one for every 128 codes. */
export function fp8Values(
  codes: Uint8Array,
  scales: Float32Array,
  at: number,
  out: Float32Array,
): void {
  for (let from = 0; from < codes.length; from += FP8_BLOCK) {
    const scale = scales[at + from / FP8_BLOCK]!;
    const end = Math.min(codes.length, from + FP8_BLOCK);
    for (let i = from; i < end; i++) out[i] = E4M3[codes[i]!]! * scale;
  }
}

/** Values of the codes before they are scaled. */
const VALUES: Readonly<Record<RunFormat, Float32Array>> = {
  q8: Float32Array.from({ length: 256 }, (_, code) => code - 128),
  q4: Float32Array.from({ length: 16 }, (_, code) => code - 8),
  nf4: NF4,
};

function runRow(format: RunFormat, layout: RunLayout, bytes: Uint8Array): RowDecoder {
  const { columns, block: size, blocks, blockBytes, dataBytes, bits } = layout;
  const scales = words16(bytes.subarray(dataBytes));
  const values = VALUES[format];
  /** Shift of the codes with an odd index; the even ones have the other nibble. */
  const odd = format === 'nf4' ? 0 : 4;
  const cell = new Uint32Array(1);
  const cellValue = new Float32Array(cell.buffer);
  return (row, out) => {
    for (let block = 0; block < blocks; block++) {
      const index = row * blocks + block;
      cell[0] = f16ToF32Bits(scales[index]!);
      const scale = cellValue[0]!;
      const from = index * blockBytes;
      const start = block * size;
      const count = Math.min(size, columns - start);
      for (let j = 0; j < count; j++) {
        const code =
          bits === 8 ? bytes[from + j]! : (bytes[from + (j >> 1)]! >> (j & 1 ? odd : 4 - odd)) & 15;
        out[start + j] = values[code]! * scale;
      }
    }
  };
}
