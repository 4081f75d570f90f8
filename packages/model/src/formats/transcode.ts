/**
 * fp8 and nf4 to what `MatMulNBits` multiplies fast: signed codes in blocks of 32 along K. A named,
 * deterministic transform of verified bytes, specified in docs/formats.md.
 *
 * All weights of such a block have the same stored scale s, so with v the codes' values and m the
 * largest |v| of the block: scale = binary32(m * s / 127), code = round(v * 127 / m) + 128, ties to even,
 * each operation in binary64. The code depends on v and m alone: a table, and one look-up a byte.
 */
import { words16, words32 } from './convert.ts';
import { checkLength } from './decode.ts';
import { E4M3 } from './fp8.ts';
import { f16ToF32Bits } from './half.ts';
import { BLOCK, FP8_BLOCK, fp8Layout, runLayout, type Stored } from './layout.ts';
import { NF4 } from './nf4.ts';

export interface Q8Blocks {
  /** u8 [N, ceil(K / 32), 32]: code - 128 times the block's scale is the weight; padding is 128. */
  data: Uint8Array;
  /** f32 [N, ceil(K / 32)]. */
  scales: Float32Array;
  blocks: number;
}

const ZERO = 128;
/** Of what comes out. */
const Q8_BLOCK = BLOCK.q8;

/** Ties to even. */
function round(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** The code of value `v` in a block whose largest magnitude is `m`; values above m don't occur in it. */
const code = (v: number, m: number): number =>
  Math.abs(v) <= m && m > 0 ? round((v * 127) / m) + ZERO : ZERO;

/** @throws ModelError LENGTH_MISMATCH, FORMAT_UNSUPPORTED */
export function transcode(descriptor: Stored, bytes: Uint8Array): Q8Blocks {
  checkLength(descriptor, bytes);
  return descriptor.format === 'fp8'
    ? fromFp8(descriptor.shape, bytes)
    : fromNf4(descriptor.shape, bytes);
}

/** At [m << 8 | byte], m the largest magnitude of the block as an E4M3 without its sign. */
function fp8Table(): Uint8Array {
  const table = new Uint8Array(128 << 8);
  for (let m = 0; m < 127; m++) {
    for (let byte = 0; byte < 256; byte++) table[(m << 8) | byte] = code(E4M3[byte]!, E4M3[m]!);
  }
  return table;
}

function fromFp8(shape: readonly number[], bytes: Uint8Array): Q8Blocks {
  const { rows, columns, columnBlocks, dataBytes } = fp8Layout(shape);
  const sources = new Float32Array(words32(bytes.subarray(dataBytes)).slice().buffer);
  const blocks = Math.ceil(columns / Q8_BLOCK);
  const data = new Uint8Array(rows * blocks * Q8_BLOCK);
  const scales = new Float32Array(rows * blocks);
  const table = fp8Table();
  if (columns % Q8_BLOCK !== 0) data.fill(ZERO);
  let index = 0;
  for (let row = 0; row < rows; row++) {
    const ofRow = Math.floor(row / FP8_BLOCK) * columnBlocks;
    for (let start = 0; start < columns; start += Q8_BLOCK, index++) {
      const from = row * columns + start;
      const count = Math.min(Q8_BLOCK, columns - start);
      // Magnitudes order as their bits do.
      let m = 0;
      for (let i = from; i < from + count; i++) {
        const magnitude = bytes[i]! & 0x7f;
        if (magnitude > m) m = magnitude;
      }
      const out = index * Q8_BLOCK;
      const line = m << 8;
      for (let i = 0; i < count; i++) data[out + i] = table[line | bytes[from + i]!]!;
      scales[index] = (E4M3[m]! * sources[ofRow + ((start / FP8_BLOCK) | 0)]!) / 127;
    }
  }
  return { data, scales, blocks };
}

/** Codes of nf4 by magnitude, so that the larger of two ranks is the larger value. */
const RANKED = [...NF4.keys()].sort((a, b) => Math.abs(NF4[a]!) - Math.abs(NF4[b]!));

/** At [rank of m << 8 | byte]: the two codes of the byte, in memory order. */
function nf4Table(): Uint16Array {
  const table = new Uint16Array(16 << 8);
  RANKED.forEach((largest, rank) => {
    const m = Math.abs(NF4[largest]!);
    for (let byte = 0; byte < 256; byte++) {
      table[(rank << 8) | byte] = code(NF4[byte >> 4]!, m) | (code(NF4[byte & 15]!, m) << 8);
    }
  });
  return table;
}

function fromNf4(shape: readonly number[], bytes: Uint8Array): Q8Blocks {
  const { rows, columns, blocks: sourceBlocks, blockBytes, dataBytes } = runLayout('nf4', shape);
  const sources = words16(bytes.subarray(dataBytes));
  const blocks = Math.ceil(columns / Q8_BLOCK);
  const data = new Uint16Array((rows * blocks * Q8_BLOCK) / 2);
  const scales = new Float32Array(rows * blocks);
  const table = nf4Table();
  /** Bits at the ranks of a byte's two codes, so that the largest of many needs no comparison. */
  const ranks = new Uint16Array(256).map(
    (_, byte) => (1 << RANKED.indexOf(byte >> 4)) | (1 << RANKED.indexOf(byte & 15)),
  );
  const cell = new Uint32Array(1);
  const cellValue = new Float32Array(cell.buffer);
  const half = Q8_BLOCK / 2;
  let index = 0;
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, index++) {
      const sourceBlock = row * sourceBlocks + (((block * Q8_BLOCK) / BLOCK.nf4) | 0);
      const from = sourceBlock * blockBytes + (block % (BLOCK.nf4 / Q8_BLOCK)) * half;
      let seen = 0;
      for (let i = from; i < from + half; i++) seen |= ranks[bytes[i]!]!;
      const m = 31 - Math.clz32(seen);
      const line = m << 8;
      const out = index * half;
      for (let i = 0; i < half; i++) data[out + i] = table[line | bytes[from + i]!]!;
      cell[0] = f16ToF32Bits(sources[sourceBlock]!);
      scales[index] = (Math.abs(NF4[RANKED[m]!]!) * cellValue[0]!) / 127;
    }
  }
  return { data: new Uint8Array(data.buffer), scales, blocks };
}
