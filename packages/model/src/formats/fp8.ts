/**
 * fp8: E4M3FN (OCP 8-bit floating point, revision 1.0: bias 7, no infinities, NaN is 0x7f and 0xff), with
 * one binary32 scale for each block of 128 x 128, as published FP8 checkpoints have it. A weight is
 * binary32(value * scale).
 *
 * Quantizing: s = binary32(m / 448), m the largest magnitude of the block, and each code is the E4M3
 * nearest to binary32(x * (1 / s)), ties to even, cut at 448; reciprocal and product are binary64.
 */
import { notFinite, outOfRange, words16, words32 } from './convert.ts';
import { f16ToF32Bits } from './half.ts';
import { type FloatDtype, FP8_BLOCK, type Fp8Layout, fp8Layout } from './layout.ts';

/** The largest E4M3. */
export const FP8_MAX = 448;

/** Value of each byte; NaN for 0x7f and 0xff. */
export const E4M3: Float32Array = Float32Array.from({ length: 256 }, (_, byte) => {
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  const sign = byte & 0x80 ? -1 : 1;
  if ((byte & 0x7f) === 0x7f) return Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (8 + fraction) * 2 ** (exponent - 10));
});

/** The E4M3 nearest to the finite binary32 with these bits, ties to even; beyond 448 it is 448. */
export function f32ToE4m3(bits: number): number {
  const sign = (bits >>> 24) & 0x80;
  const abs = bits & 0x7fffffff;
  if (abs >= 0x43e00000) return sign | 0x7e;
  if (abs >= 0x3c800000) {
    // Normal: rebias, then add just under half of the last place, plus one if that place is odd.
    const rebased = abs - 0x3c000000;
    return sign | ((rebased + 0x7ffff + ((rebased >> 20) & 1)) >> 20);
  }
  // 2^-10 is half of the smallest subnormal: even is zero.
  if (abs <= 0x3a800000) return sign;
  const fraction = (abs & 0x7fffff) | 0x800000;
  const shift = 141 - (abs >> 23); // 21 .. 24
  const half = 1 << (shift - 1);
  return sign | ((fraction + half - 1 + ((fraction >> shift) & 1)) >> shift);
}

/** Whether no byte is NaN. */
export function allFiniteFp8(bytes: Uint8Array): boolean {
  let nan = 0;
  // One more than 0x7f carries into the sign's place.
  for (let i = 0; i < bytes.length; i++) nan |= (bytes[i]! & 0x7f) + 1;
  return (nan & 0x80) === 0;
}

/** Quantizes whole bands of 128 rows, since a block's scale depends on all of its rows. */
export class Fp8Quantizer {
  readonly #name: string;
  readonly #dtype: FloatDtype;
  readonly #layout: Fp8Layout;
  readonly #data: Uint8Array;
  readonly #scales: Float32Array;
  /** Of the blocks of one band: bits of the largest magnitude, then 1 / scale. */
  readonly #largest: Uint32Array;
  readonly #inverse: Float64Array;
  readonly #cell = new Uint32Array(1);
  readonly #cellValue = new Float32Array(this.#cell.buffer);
  #row = 0;

  constructor(
    tensor: { name: string; shape: readonly number[]; dtype: FloatDtype },
    maxRows: number,
  ) {
    this.#name = tensor.name;
    this.#dtype = tensor.dtype;
    this.#layout = fp8Layout(tensor.shape);
    const { columns, rowBlocks, columnBlocks } = this.#layout;
    this.#data = new Uint8Array(maxRows * columns);
    this.#scales = new Float32Array(rowBlocks * columnBlocks);
    this.#largest = new Uint32Array(columnBlocks);
    this.#inverse = new Float64Array(columnBlocks);
  }

  /**
   * @param source whole rows; a multiple of 128 of them but for the tensor's last ones
   * @returns their codes, valid until the next call
   */
  push(source: Uint8Array): Uint8Array {
    const { rows: all, columns } = this.#layout;
    const words = this.#dtype === 'f32' ? words32(source) : words16(source);
    const rows = words.length / columns;
    if (this.#row % FP8_BLOCK !== 0 || (rows % FP8_BLOCK !== 0 && this.#row + rows !== all)) {
      throw new RangeError(`${rows} rows behind ${this.#row} are no whole blocks`);
    }
    for (let row = 0; row < rows; row += FP8_BLOCK) {
      const end = Math.min(rows, row + FP8_BLOCK);
      this.#scaleBand(words, row, end);
      this.#encodeBand(words, row, end);
    }
    this.#row += rows;
    return this.#data.subarray(0, rows * columns);
  }

  /** f32 little endian [rowBlocks, columnBlocks]. */
  scales(): Uint8Array {
    return new Uint8Array(this.#scales.buffer);
  }

  #scaleBand(words: Uint16Array | Uint32Array, row: number, end: number): void {
    const { columns, columnBlocks } = this.#layout;
    const largest = this.#largest.fill(0);
    const mask = this.#dtype === 'f32' ? 0x7fffffff : 0x7fff;
    for (let at = row * columns; at < end * columns; at += columns) {
      for (let block = 0; block < columnBlocks; block++) {
        const stop = at + Math.min(columns, (block + 1) * FP8_BLOCK);
        // Magnitudes order as their bits do, NaN and infinity above all numbers.
        let max = largest[block]!;
        for (let i = at + block * FP8_BLOCK; i < stop; i++) {
          const magnitude = words[i]! & mask;
          if (magnitude > max) max = magnitude;
        }
        largest[block] = max;
      }
    }
    const at = Math.floor((this.#row + row) / FP8_BLOCK) * columnBlocks;
    for (let block = 0; block < columnBlocks; block++) {
      this.#cell[0] = toF32Bits(largest[block]!, this.#dtype);
      if (this.#cell[0]! >= 0x7f800000) throw notFinite(this.#name);
      const scale = Math.fround(this.#cellValue[0]! / FP8_MAX);
      // Read back with the largest code, a scale that was rounded up must not overflow.
      if (!Number.isFinite(Math.fround(scale * FP8_MAX))) throw outOfRange(this.#name, 'fp8');
      this.#scales[at + block] = scale;
      this.#inverse[block] = scale === 0 ? 0 : 1 / scale;
    }
  }

  #encodeBand(words: Uint16Array | Uint32Array, row: number, end: number): void {
    const { columns, columnBlocks } = this.#layout;
    const dtype = this.#dtype;
    const data = this.#data;
    const cell = this.#cell;
    const value = this.#cellValue;
    for (let at = row * columns; at < end * columns; at += columns) {
      for (let block = 0; block < columnBlocks; block++) {
        const inverse = this.#inverse[block]!;
        const stop = at + Math.min(columns, (block + 1) * FP8_BLOCK);
        for (let i = at + block * FP8_BLOCK; i < stop; i++) {
          const word = words[i]!;
          cell[0] = dtype === 'f32' ? word : dtype === 'bf16' ? word << 16 : f16ToF32Bits(word);
          value[0] = value[0]! * inverse;
          data[i] = f32ToE4m3(cell[0]!);
        }
      }
    }
  }
}

const toF32Bits = (word: number, dtype: FloatDtype): number =>
  dtype === 'f32' ? word : dtype === 'bf16' ? word << 16 : f16ToF32Bits(word);
