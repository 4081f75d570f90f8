/**
 * Writes GGUF version 3, as far as the benchmark needs it: little-endian, metadata, tensor infos, then
 * tensor data at aligned offsets. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { open } from 'node:fs/promises';

const MAGIC = 0x46554747; // "GGUF"
const VERSION = 3;
/** Of tensor data; the format's default, so that no metadata key has to say it. */
const ALIGNMENT = 32;
const TYPE_CODES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
/** Ggml's own numbers of the tensor types used here. */
const TENSOR_CODES = { f32: 0, q4_0: 2 } as const;

export type GgufValue =
  | { type: 'u32' | 'i32' | 'f32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'i32s'; value: readonly number[] };

export interface GgufTensor {
  name: string;
  type: keyof typeof TENSOR_CODES;
  /** As in the checkpoint, slowest first; GGUF lists the fastest first. */
  shape: readonly number[];
  byteLength: number;
  /** Called once, in order, so that one tensor at a time is in memory. */
  read(): Promise<Uint8Array>;
}

/** @throws RangeError when a tensor's bytes are not as many as announced */
export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): Promise<void> {
  const head = new Bytes();
  head.u32(MAGIC).u32(VERSION).u64(tensors.length).u64(metadata.size);
  for (const [key, value] of metadata) writeValue(head.string(key), value);
  let offset = 0;
  for (const { name, type, shape, byteLength } of tensors) {
    head.string(name).u32(shape.length);
    for (const dimension of [...shape].reverse()) head.u64(dimension);
    head.u32(TENSOR_CODES[type]).u64(offset);
    offset += align(byteLength);
  }
  await using file = await open(path, 'w');
  await file.write(padded(head.finish()));
  for (const tensor of tensors) {
    const bytes = await tensor.read();
    if (bytes.byteLength !== tensor.byteLength) {
      throw new RangeError(`${tensor.name}: ${bytes.byteLength} bytes, not ${tensor.byteLength}`);
    }
    await file.write(padded(bytes));
  }
}

const align = (length: number) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength % ALIGNMENT === 0) return bytes;
  const out = new Uint8Array(align(bytes.byteLength));
  out.set(bytes);
  return out;
}

function writeValue(out: Bytes, value: GgufValue): void {
  switch (value.type) {
    case 'strings':
      out.u32(TYPE_CODES.array).u32(TYPE_CODES.string).u64(value.value.length);
      for (const text of value.value) out.string(text);
      return;
    case 'i32s':
      out.u32(TYPE_CODES.array).u32(TYPE_CODES.i32).u64(value.value.length);
      for (const number of value.value) out.i32(number);
      return;
    case 'string':
      out.u32(TYPE_CODES.string).string(value.value);
      return;
    case 'bool':
      out.u32(TYPE_CODES.bool).u8(value.value ? 1 : 0);
      return;
    default:
      out.u32(TYPE_CODES[value.type])[value.type](value.value);
  }
}

/** A growing little-endian buffer. */
class Bytes {
  #bytes = Buffer.alloc(1 << 16);
  #length = 0;

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#length)]);
    }
    return at;
  }
  u8(value: number): this {
    const at = this.#room(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }
  u32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }
  i32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeInt32LE(value, at);
    return this;
  }
  f32(value: number): this {
    const at = this.#room(4);
    this.#bytes.writeFloatLE(value, at);
    return this;
  }
  u64(value: number): this {
    const at = this.#room(8);
    this.#bytes.writeBigUInt64LE(BigInt(value), at);
    return this;
  }
  string(value: string): this {
    const bytes = Buffer.from(value);
    this.u64(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
