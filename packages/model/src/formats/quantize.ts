/**
 * q8 and q4: blocks along K with one binary16 scale, in the layout that MatMulNBits reads.
 *
 * Per block: m is the value of largest magnitude (the first of equals), s = f16(m / -2^(bits-1)),
 * code = clamp(floor(x * (1 / s) + 2^(bits-1) + 1/2), 0, 2^bits - 1), each operation in binary64, and
 * the weight is (code - 2^(bits-1)) * s. So m itself falls on the lowest code, and the whole signed
 * range is used.
 */
import { notFinite, outOfRange, words16, words32 } from './convert.ts';
import { f16ToF32Bits, f32ToF16Bits } from './half.ts';
import { type FloatDtype, type RunLayout, runLayout } from './layout.ts';
import { type BlockLoader, LOADERS } from './load-block.ts';

export class Quantizer {
  readonly #name: string;
  readonly #format: 'q8' | 'q4';
  readonly #layout: RunLayout;
  readonly #load: BlockLoader;
  /** The source has words of 32 bits. */
  readonly #wide: boolean;
  readonly #data: Uint8Array;
  readonly #scales: Uint16Array;
  /** One block as binary32: small enough to stay in the first cache. */
  readonly #bits: Uint32Array;
  readonly #values: Float32Array;
  /** One cell to read bits as a number. */
  readonly #cell = new Uint32Array(1);
  readonly #cellValue = new Float32Array(this.#cell.buffer);
  #row = 0;

  /** @param weights that share a scale, where a recipe has others than those of now */
  constructor(
    tensor: { name: string; shape: readonly number[]; dtype: FloatDtype },
    format: 'q8' | 'q4',
    maxRows: number,
    weights?: number,
  ) {
    this.#name = tensor.name;
    this.#format = format;
    this.#layout = runLayout(format, tensor.shape, weights);
    this.#wide = tensor.dtype === 'f32';
    this.#load = LOADERS[tensor.dtype];
    const { rows, block, blocks, blockBytes } = this.#layout;
    this.#bits = new Uint32Array(block);
    this.#values = new Float32Array(this.#bits.buffer);
    this.#data = new Uint8Array(maxRows * blocks * blockBytes);
    this.#scales = new Uint16Array(rows * blocks);
  }

  /**
   * @param source whole rows
   * @returns their data, valid until the next call
   */
  push(source: Uint8Array): Uint8Array {
    const { columns, block: size, blocks, blockBytes, bits: width } = this.#layout;
    const words = this.#wide ? words32(source) : words16(source);
    const data = this.#data;
    const load = this.#load;
    const encode = width === 8 ? encode8 : encode4;
    const rows = words.length / columns;
    let out = 0;
    for (let row = 0; row < rows; row++) {
      const end = (row + 1) * columns;
      const scales = (this.#row + row) * blocks;
      for (let block = 0; block < blocks; block++) {
        const from = row * columns + block * size;
        const count = Math.min(size, end - from);
        const scale = this.#scale(load(words, from, count, this.#bits), scales + block);
        // No scale: only zeros, or values too small for one. Also what K's padding is made of.
        if (scale === 0 || count < size) {
          data.fill(width === 8 ? 0x80 : 0x88, out, out + blockBytes);
        }
        if (scale !== 0) encode(this.#values, count, 1 / scale, data, out);
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

  /** Records the scale of a block whose largest value is at `largest`; returns it as a number. */
  #scale(largest: number, index: number): number {
    if ((this.#bits[largest]! & 0x7fffffff) >= 0x7f800000) throw notFinite(this.#name);
    // Exact: a division by a power of two, unless it ends far below the smallest binary16.
    this.#cellValue[0] = this.#values[largest]! / -(1 << (this.#layout.bits - 1));
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
  count: number,
  inverse: number,
  data: Uint8Array,
  out: number,
): void {
  for (let i = 0; i < count; i++) {
    // Truncation is floor wherever the sum is not negative, and below zero both clamp to 0.
    const code = (values[i]! * inverse + 128.5) | 0;
    data[out++] = code < 0 ? 0 : Math.min(code, 255);
  }
}

/** Two codes a byte, the even one in the low nibble. */
function encode4(
  values: Float32Array,
  count: number,
  inverse: number,
  data: Uint8Array,
  out: number,
): void {
  let i = 0;
  for (; i + 1 < count; i += 2) {
    let low = (values[i]! * inverse + 8.5) | 0;
    let high = (values[i + 1]! * inverse + 8.5) | 0;
    low = low < 0 ? 0 : Math.min(low, 15);
    high = high < 0 ? 0 : Math.min(high, 15);
    data[out++] = low | (high << 4);
  }
  if (i < count) {
    const low = (values[i]! * inverse + 8.5) | 0;
    data[out] = (low < 0 ? 0 : Math.min(low, 15)) | 0x80;
  }
}
