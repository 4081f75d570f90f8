/** Exact widening of half-precision buffers (little endian) to f32. */

/** One view of 16-bit words; copies only when the bytes start at an odd address. */
function words(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}

export function widenBf16(bytes: Uint8Array): Float32Array {
  const source = words(bytes);
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** IEEE binary16 bits to binary32 bits; subnormals become normal numbers, NaN payloads are kept. */
function halfBits(h: number): number {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

export function widenF16(bytes: Uint8Array): Float32Array {
  const source = words(bytes);
  const bits = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) bits[i] = halfBits(source[i]!);
  return new Float32Array(bits.buffer);
}
