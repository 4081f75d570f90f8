/** Typed-array loops that encoder, quantizer and decoder share. Little-endian hosts only. */
import { ModelError } from '../errors.ts';
import { f16ToF32Bits } from './half.ts';
import type { FloatDtype } from './layout.ts';

export const notFinite = (tensor: string) =>
  new ModelError('VALUE_NOT_FINITE', { tensor }, `${tensor} holds NaN or an infinity.`);

export const outOfRange = (tensor: string, format: string) =>
  new ModelError(
    'VALUE_OUT_OF_RANGE',
    { tensor, format },
    `${tensor} holds a value too large for ${format}; import it with another --format.`,
  );

/** View of 16- or 32-bit words; copies only when the bytes start at an unaligned address. */
export function words16(bytes: Uint8Array): Uint16Array {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 1);
}
export function words32(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength >> 2);
}

/** Writes binary32 bits of all values to `out`; returns how many. */
export function widen(source: Uint8Array, dtype: FloatDtype, out: Uint32Array): number {
  if (dtype === 'f32') {
    const values = words32(source);
    out.set(values);
    return values.length;
  }
  const values = words16(source);
  const count = values.length;
  if (dtype === 'bf16') for (let i = 0; i < count; i++) out[i] = values[i]! << 16;
  else for (let i = 0; i < count; i++) out[i] = f16ToF32Bits(values[i]!);
  return count;
}

/** Whether no exponent is all ones: adding one to such an exponent overflows into the sign's place. */
export function allFinite(source: Uint8Array, dtype: FloatDtype): boolean {
  let overflow = 0;
  if (dtype === 'f32') {
    const values = words32(source);
    for (let i = 0; i < values.length; i++) overflow |= (values[i]! & 0x7fffffff) + 0x00800000;
    return (overflow & 0x80000000) === 0;
  }
  const step = dtype === 'bf16' ? 0x0080 : 0x0400;
  const values = words16(source);
  for (let i = 0; i < values.length; i++) overflow |= (values[i]! & 0x7fff) + step;
  return (overflow & 0x8000) === 0;
}
