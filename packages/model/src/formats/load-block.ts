/** Reads one block of a row as binary32, and finds its largest value on the way. */
import { f16ToF32Bits } from './half.ts';
import type { FloatDtype } from './layout.ts';

/**
 * Writes the binary32 bits of words[from .. from + count) to `bits`; returns where the first of the
 * largest magnitudes is. Magnitudes order as their bits do, NaN and infinity above all numbers.
 */
export type BlockLoader = (
  words: Uint16Array | Uint32Array,
  from: number,
  count: number,
  bits: Uint32Array,
) => number;

export const LOADERS: Readonly<Record<FloatDtype, BlockLoader>> = {
  bf16(words, from, count, bits) {
    let max = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const word = words[from + i]!;
      bits[i] = word << 16;
      const magnitude = word & 0x7fff;
      if (magnitude > max) {
        max = magnitude;
        at = i;
      }
    }
    return at;
  },
  f16(words, from, count, bits) {
    let max = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const word = words[from + i]!;
      bits[i] = f16ToF32Bits(word);
      const magnitude = word & 0x7fff;
      if (magnitude > max) {
        max = magnitude;
        at = i;
      }
    }
    return at;
  },
  f32(words, from, count, bits) {
    let max = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const word = words[from + i]!;
      bits[i] = word;
      const magnitude = word & 0x7fffffff;
      if (magnitude > max) {
        max = magnitude;
        at = i;
      }
    }
    return at;
  },
};
