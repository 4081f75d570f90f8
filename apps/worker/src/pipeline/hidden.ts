/** Hidden states on their way between stages. In f32 they stay as they are, bit for bit. */
import { f16ToF32Bits, f32ToF16Bits } from '@blyan/model/formats/half';
import type { FrameType } from '@blyan/protocol/assignment';
import type { FramePayload } from '@blyan/protocol/frames';

/** @param values [rows, width], which must not change until they are sent */
export function packHidden(type: FrameType, values: Float32Array, width: number): FramePayload {
  const rows = values.length / width;
  if (type === 'f32') {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { type, rows, width, bytes };
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = f32ToF16Bits(bits[i]!);
  return { type, rows, width, bytes: new Uint8Array(halves.buffer) };
}

/** [rows, width]; a view of the payload where its place in memory allows it. */
export function unpackHidden({ type, bytes }: FramePayload): Float32Array {
  if (type === 'f32') {
    // Not `slice`: of a Buffer it copies nothing.
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  }
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const halves = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
  const out = new Uint32Array(halves.length);
  for (let i = 0; i < out.length; i++) out[i] = f16ToF32Bits(halves[i]!);
  return new Float32Array(out.buffer);
}
