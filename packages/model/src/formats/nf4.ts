/**
 * nf4: 16 values that are the quantiles of a normal distribution, scaled to [-1, 1] (Dettmers et al.,
 * "QLoRA", 2023, appendix E), in blocks of 64 along K with one binary16 scale. A weight is
 * binary32(value * scale).
 */
import { notFinite, outOfRange, words16, words32 } from './convert.ts';
import { f16ToF32Bits, f32ToF16Bits } from './half.ts';
import { BLOCK, type FloatDtype, type RunLayout, runLayout } from './layout.ts';
import { type BlockLoader, LOADERS } from './load-block.ts';

/** As binary32, ascending; the eighth is zero. */
export const NF4: Float32Array = Float32Array.of(
  -1.0,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0.0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1.0,
);
/** Code of zero: K's padding, and blocks without a scale. */
const ZERO = 7;
const TWO_ZEROS = (ZERO << 4) | ZERO;

/** Half way between two neighbours, exact in binary64. */
const MIDDLES = Float64Array.from({ length: 15 }, (_, i) => (NF4[i]! + NF4[i + 1]!) / 2);

/** Cells of a grid over [-1, 1], so fine that none holds two middles. */
const CELLS = 64;
/** Lowest code of each cell. */
const LOWEST = new Uint8Array(CELLS + 1);
/** The middle inside of each cell; above all numbers where there is none. */
const MIDDLE = new Float64Array(CELLS + 1).fill(Number.POSITIVE_INFINITY);
for (let cell = 0; cell <= CELLS; cell++) {
  const low = (2 * cell) / CELLS - 1;
  LOWEST[cell] = MIDDLES.filter((middle) => middle < low).length;
  const inside = MIDDLES[LOWEST[cell]!];
  if (inside !== undefined && inside < low + 2 / CELLS) MIDDLE[cell] = inside;
}

/** The code nearest to `v`; at the middle between two the lower one. */
export function nf4Code(v: number): number {
  const x = v < -1 ? -1 : Math.min(v, 1);
  const cell = ((x + 1) * (CELLS / 2)) | 0;
  return LOWEST[cell]! + (x > MIDDLE[cell]! ? 1 : 0);
}

/**
 * Per block: s = binary16(m), m the largest magnitude, and each code is the one whose value is nearest to
 * x * (1 / s), reciprocal and product in binary64. Two codes a byte, the even one in the high nibble.
 */
export class Nf4Quantizer {
  readonly #name: string;
  readonly #layout: RunLayout;
  readonly #load: BlockLoader;
  readonly #wide: boolean;
  readonly #data: Uint8Array;
  readonly #scales: Uint16Array;
  readonly #bits = new Uint32Array(BLOCK.nf4);
  readonly #values = new Float32Array(this.#bits.buffer);
  readonly #cell = new Uint32Array(1);
  readonly #cellValue = new Float32Array(this.#cell.buffer);
  #row = 0;

  constructor(
    tensor: { name: string; shape: readonly number[]; dtype: FloatDtype },
    maxRows: number,
  ) {
    this.#name = tensor.name;
    this.#layout = runLayout('nf4', tensor.shape);
    this.#load = LOADERS[tensor.dtype];
    this.#wide = tensor.dtype === 'f32';
    const { rows, blocks, blockBytes } = this.#layout;
    this.#data = new Uint8Array(maxRows * blocks * blockBytes);
    this.#scales = new Uint16Array(rows * blocks);
  }

  /** @param source whole rows; returns their data, valid until the next call */
  push(source: Uint8Array): Uint8Array {
    const { columns, blocks, blockBytes } = this.#layout;
    const words = this.#wide ? words32(source) : words16(source);
    const data = this.#data;
    const values = this.#values;
    const rows = words.length / columns;
    let out = 0;
    for (let row = 0; row < rows; row++) {
      for (let block = 0; block < blocks; block++) {
        const from = row * columns + block * BLOCK.nf4;
        const count = Math.min(BLOCK.nf4, (row + 1) * columns - from);
        const largest = this.#load(words, from, count, this.#bits);
        const scale = this.#scale(largest, (this.#row + row) * blocks + block);
        const next = out + blockBytes;
        if (scale === 0 || count < BLOCK.nf4) data.fill(TWO_ZEROS, out, next);
        if (scale !== 0) {
          const inverse = 1 / scale;
          if (count & 1) values[count] = 0;
          for (let i = 0; i < count; i += 2) {
            data[out++] = (nf4Code(values[i]! * inverse) << 4) | nf4Code(values[i + 1]! * inverse);
          }
        }
        out = next;
      }
    }
    this.#row += rows;
    return data.subarray(0, out);
  }

  /** f16 little endian [N, blocks]. */
  scales(): Uint8Array {
    return new Uint8Array(this.#scales.buffer);
  }

  #scale(largest: number, index: number): number {
    const magnitude = this.#bits[largest]! & 0x7fffffff;
    if (magnitude >= 0x7f800000) throw notFinite(this.#name);
    const half = f32ToF16Bits(magnitude);
    if (half >= 0x7c00) throw outOfRange(this.#name, 'nf4');
    this.#scales[index] = half;
    this.#cell[0] = f16ToF32Bits(half);
    return this.#cellValue[0]!;
  }
}
