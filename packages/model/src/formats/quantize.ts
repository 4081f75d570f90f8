/**
 * q8 and q4: blocks of 32 along K with one binary16 scale, in the layout that MatMulNBits reads.
 *
 * Per block: m is the value of largest magnitude (the first of equals), s = f16(m / -2^(bits-1)),
 * code = clamp(floor(x * (1 / s) + 2^(bits-1) + 1/2), 0, 2^bits - 1), each operation in binary64, and
 * the weight is (code - 2^(bits-1)) * s. So m itself falls on the lowest code, and the whole signed
 * range is used.
 */
import { notFinite, outOfRange } from './convert.ts';
import { f16ToF32Bits, f32ToF16Bits } from './half.ts';
import { BLOCK, type QuantLayout, quantLayout } from './layout.ts';

export class Quantizer {
  readonly #name: string;
  readonly #format: 'q8' | 'q4';
  readonly #layout: QuantLayout;
  readonly #data: Uint8Array;
  readonly #scales: Uint16Array;
  /** One cell to read bits as a number. */
  readonly #cell = new Uint32Array(1);
  readonly #cellValue = new Float32Array(this.#cell.buffer);
  #row = 0;

  constructor(name: string, format: 'q8' | 'q4', shape: readonly number[], maxRows: number) {
    this.#name = name;
    this.#format = format;
    this.#layout = quantLayout(format, shape);
    const { rows, blocks, blockBytes } = this.#layout;
    this.#data = new Uint8Array(maxRows * blocks * blockBytes);
    this.#scales = new Uint16Array(rows * blocks);
  }

  /**
   * @param bits binary32 bits of `count` values, whole rows
   * @returns their data, valid until the next call
   */
  push(bits: Uint32Array, count: number): Uint8Array {
    const { columns, blocks, blockBytes, bits: width } = this.#layout;
    const values = new Float32Array(bits.buffer, bits.byteOffset, bits.length);
    const zero = 1 << (width - 1);
    const data = this.#data;
    const encode = width === 8 ? encode8 : encode4;
    const rows = count / columns;
    let out = 0;
    for (let row = 0; row < rows; row++) {
      const start = row * columns;
      const end = start + columns;
      const scales = (this.#row + row) * blocks;
      for (let block = 0; block < blocks; block++) {
        const from = start + block * BLOCK;
        const to = Math.min(from + BLOCK, end);
        const scale = this.#scale(bits, values, from, to, scales + block, zero);
        // No scale: only zeros, or values too small for one. Also what K's padding is made of.
        if (scale === 0 || to - from < BLOCK)
          data.fill(width === 8 ? 0x80 : 0x88, out, out + blockBytes);
        if (scale !== 0) encode(values, from, to, 1 / scale, data, out);
        out += blockBytes;
      }
    }
    this.#row += rows;
    return data.subarray(0, out);
  }

  /** f16 little endian [N, blocks]. */
  scales(): Uint8Array {
    return new Uint8Array(this.#scales.buffer);
  }

  /** Chooses and records the scale of values[from..to); returns it as a number. */
  #scale(
    bits: Uint32Array,
    values: Float32Array,
    from: number,
    to: number,
    index: number,
    zero: number,
  ): number {
    let max = 0;
    let at = from;
    for (let i = from; i < to; i++) {
      // Magnitudes order as their bits do, NaN and infinity above all numbers.
      const magnitude = bits[i]! & 0x7fffffff;
      if (magnitude > max) {
        max = magnitude;
        at = i;
      }
    }
    if (max >= 0x7f800000) throw notFinite(this.#name);
    // Exact: a division by a power of two, unless it ends far below the smallest binary16.
    this.#cellValue[0] = values[at]! / -zero;
    const half = f32ToF16Bits(this.#cell[0]!);
    const magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) throw outOfRange(this.#name, this.#format);
    this.#scales[index] = magnitude === 0 ? 0 : half;
    this.#cell[0] = f16ToF32Bits(half);
    return magnitude === 0 ? 0 : this.#cellValue[0]!;
  }
}

function encode8(
  values: Float32Array,
  from: number,
  to: number,
  inverse: number,
  data: Uint8Array,
  out: number,
): void {
  for (let i = from; i < to; i++) {
    // Truncation is floor wherever the sum is not negative, and below zero both clamp to 0.
    const code = (values[i]! * inverse + 128.5) | 0;
    data[out++] = code < 0 ? 0 : Math.min(code, 255);
  }
}

/** Two codes a byte, the even one in the low nibble. */
function encode4(
  values: Float32Array,
  from: number,
  to: number,
  inverse: number,
  data: Uint8Array,
  out: number,
): void {
  let i = from;
  for (; i + 1 < to; i += 2) {
    let low = (values[i]! * inverse + 8.5) | 0;
    let high = (values[i + 1]! * inverse + 8.5) | 0;
    low = low < 0 ? 0 : Math.min(low, 15);
    high = high < 0 ? 0 : Math.min(high, 15);
    data[out++] = low | (high << 4);
  }
  if (i < to) {
    const low = (values[i]! * inverse + 8.5) | 0;
    data[out] = (low < 0 ? 0 : Math.min(low, 15)) | 0x80;
  }
}
