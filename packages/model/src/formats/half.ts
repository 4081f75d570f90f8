/**
 * binary16 and bfloat16 against binary32, exact: widening loses nothing, narrowing rounds to nearest,
 * ties to even (IEEE 754-2019, 4.3.1). Bits in, bits out, because a NaN need not survive as a number.
 */

/** Bits of a binary32 with the value of the binary16 bits `h`. */
export function f16ToF32Bits(h: number): number {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** Bits of the binary16 nearest to the binary32 bits `x`; overflow gives infinity, NaN stays NaN. */
export function f32ToF16Bits(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const abs = x & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00;
  // 65520 is half way between the largest binary16 and the next power of two: even is infinity.
  if (abs >= 0x477ff000) return sign | 0x7c00;
  if (abs >= 0x38800000) {
    // Normal: rebias, then add just under half of the last place, plus one if that place is odd.
    const rebased = abs - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13);
  }
  // 2^-25 is half of the smallest subnormal: even is zero.
  if (abs <= 0x33000000) return sign;
  const fraction = (abs & 0x7fffff) | 0x800000;
  const shift = 126 - (abs >> 23); // 14 .. 24
  const half = 1 << (shift - 1);
  return sign | ((fraction + half - 1 + ((fraction >> shift) & 1)) >> shift);
}

/** Bits of the bfloat16 nearest to the binary32 bits `x`; overflow gives infinity, NaN stays NaN. */
export function f32ToBf16Bits(x: number): number {
  if ((x & 0x7fffffff) > 0x7f800000) return (x >>> 16) | 0x40;
  return ((x >>> 0) + 0x7fff + ((x >>> 16) & 1)) >>> 16;
}
